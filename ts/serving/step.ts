import type { Job } from "./job.ts";
import type { Pace } from "./pace.ts";
import type { Slot } from "./slot.ts";

/** Tokens of one sequence in a step. */
export interface Part {
  readonly slot: Slot;
  readonly job: Job;
  readonly tokens: ArrayLike<number>;
  /** Whether the tokens are the prompt's. */
  readonly reads: boolean;
  /** Whether a token is to be drawn after them. */
  readonly draws: boolean;
}

/** What runs next: a token of every stream, and of the prompts that are read as much as the pace allows, the one that waits longest first. */
export function planStep(slots: readonly Slot[], pace: Pace): Part[] {
  const busy = slots.flatMap((slot) => (slot.job && !slot.job.undrawn ? [{ slot, job: slot.job }] : []));
  const reads = ({ slot, job }: { slot: Slot; job: Job }) => slot.tokens.length < job.prompt.length;
  const parts: Part[] = busy
    .filter((one) => !reads(one))
    .map(({ slot, job }) => ({ slot, job, tokens: [job.next!], reads: false, draws: true }));
  let left = pace.promptTokens(parts.length);
  for (const { slot, job } of busy.filter(reads).sort((a, b) => a.slot.usedAt - b.slot.usedAt)) {
    if (left <= 0) break;
    const from = slot.tokens.length;
    const to = Math.min(from + left, job.nextStop(from));
    parts.push({ slot, job, tokens: job.prompt.subarray(from, to), reads: true, draws: to === job.prompt.length });
    left -= to - from;
  }
  return parts;
}
