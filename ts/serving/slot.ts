import type { Context } from "../engine/context.ts";
import type { Job } from "./job.ts";
import { commonLength, type FoundCheckpoint, type PrefixCache } from "./prefix-cache.ts";

/** A sequence of the context, and who has it. */
export interface Slot {
  readonly sequence: number;
  /** What the sequence holds; empty after a failure, whatever it holds. */
  tokens: number[];
  job: Job | undefined;
  /** Goes up with each use. */
  usedAt: number;
}

/** Where a prompt starts. */
export interface Start {
  readonly slot: Slot;
  /** Tokens of the prompt that need not be read. */
  readonly length: number;
  /** What to put into the slot first. Without it the slot stays as it is, or becomes empty for a length of 0. */
  readonly checkpoint?: FoundCheckpoint;
}

/**
 * Where least of a prompt is left to read: in a slot that holds its beginning and nothing more, or from a checkpoint, put into the slot that
 * has most of its cells already. At least one token is read, unless the checkpoint knows the logits after the last.
 */
export function findStart(free: readonly Slot[], cache: PrefixCache, prompt: Int32Array): Start {
  const slots = free.map((slot) => ({ slot, common: commonLength(slot.tokens, prompt) })).sort((a, b) => a.slot.usedAt - b.slot.usedAt);
  const best = (from: typeof slots) => from.reduce((most, one) => (one.common > most.common ? one : most), from[0]!);
  const continued = slots.filter(({ slot, common }) => common === slot.tokens.length && common < prompt.length);
  const held = best(continued);
  const whole = cache.find(prompt);
  const checkpoint = whole?.length === prompt.length && !whole.logits ? cache.find(prompt, prompt.length - 1) : whole;
  if (checkpoint && checkpoint.length > (held?.common ?? 0)) return { slot: best(slots).slot, length: checkpoint.length, checkpoint };
  if (held) return { slot: held.slot, length: held.common };
  return { slot: slots[0]!.slot, length: 0 };
}

/** Makes the start's slot hold the beginning of a prompt. */
export async function startSlot(context: Context, { slot, length, checkpoint }: Start, prompt: Int32Array): Promise<void> {
  const common = commonLength(slot.tokens, prompt);
  slot.tokens = [];
  await context.withMemory((memory) => {
    if (checkpoint) {
      const missing = checkpoint.spans.filter((_, i, spans) => (spans[i + 1]?.from ?? length) > common);
      memory.assemble(slot.sequence, length, checkpoint.state, missing);
    } else if (length === 0 && memory.length(slot.sequence) > 0) {
      memory.clear(slot.sequence);
    }
  });
  slot.tokens = Array.from(prompt.subarray(0, length));
}

/** Keeps what a slot holds in the cache, with the logits after its last token where they are known. */
export async function keepSlot(context: Context, cache: PrefixCache, { sequence, tokens }: Slot, logits?: Float32Array): Promise<void> {
  const prefix = Int32Array.from(tokens);
  const { cells, checkpoint } = cache.covers(prefix);
  if (cache.budget === 0 || (checkpoint && !logits)) return;
  await context.withMemory(async (memory) => {
    const [state, span] = await Promise.all([memory.readState(sequence), memory.readCells(sequence, cells, prefix.length)]);
    cache.add(prefix, { state, ...(logits && { logits }) }, span);
  });
}
