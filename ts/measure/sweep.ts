import type { Model } from "../engine/model.ts";
import { InvalidArgumentError } from "../errors.ts";
import { DecodeTimer, type MeasuredContext, type TimingOptions } from "./timing.ts";

/** How `sweep` goes through the context. */
export interface SweepOptions extends TimingOptions {
  /** Tokens generated a row. Default: a quarter of the ubatch. */
  readonly generated?: number;
  /** Decode a whole ubatch before the first row, not only one token: the first row then starts with kernels compiled. */
  readonly warmupBatch?: boolean;
}

/** The speeds at one filling of the KV cache. */
export interface SweepRow {
  /** Prompt tokens timed: a ubatch. */
  readonly pp: number;
  /** Generated tokens timed. */
  readonly tg: number;
  /** Tokens that the KV cache held before. */
  readonly nKv: number;
  readonly ppSeconds: number;
  readonly tgSeconds: number;
  /** Tokens a second. */
  readonly ppSpeed: number;
  readonly tgSpeed: number;
}

/**
 * llama-sweep-bench's protocol (ik_llama.cpp, examples/sweep-bench): for N_KV = 0, ub, 2·ub, … while a ubatch still fits, decode tg random
 * tokens one by one and take the time, go back to N_KV, decode a ubatch of random tokens and take the time. A row is yielded as soon as it
 * is measured. Before the first row one token is decoded, untimed, and the sequence cleared.
 *
 * The original cuts the generated tokens out of the KV cache, or restores a copy of the sequence where layers are recurrent. Here R and S
 * are checkpointed before the generated tokens and restored after them, the KV cache is cut; every device has settled before the prompt's
 * clock starts. So the same tokens are decoded on the same state as if nothing had been generated, and the checkpoint is in neither time.
 *
 * Sequence 0 of the context is overwritten; it needs a context with `checkpoints` of 1 or more. An abort throws the signal's reason within
 * one decoded token or ubatch: rows yielded until then stand, and the context can be swept again. Throws InvalidArgumentError where not one
 * row fits or the context keeps no checkpoints.
 */
export async function* sweep(
  { config }: Pick<Model, "config">,
  context: MeasuredContext,
  options: SweepOptions = {},
): AsyncGenerator<SweepRow, void, undefined> {
  const pp = context.shape.max.T;
  const tg = options.generated ?? Math.max(1, Math.floor(pp / 4));
  const timer = new DecodeTimer(context, config.V, options);
  const rows = sweepRows(context, tg);
  await context.clear();
  await timer.prompt(options.warmupBatch ? pp : 1);
  await context.clear();
  for (let row = 0; row < rows; row++) {
    const nKv = row * pp;
    await context.checkpoint();
    const tgSeconds = await timer.generation(tg);
    const length = await context.rewind(nKv);
    if (length !== nKv)
      throw new InvalidArgumentError(
        `sweep: the context came back to ${length} tokens, not ${nKv}: create it with checkpoints of 1 or more`,
      );
    await context.settle();
    const ppSeconds = await timer.prompt(pp);
    yield { pp, tg, nKv, ppSeconds, tgSeconds, ppSpeed: pp / ppSeconds, tgSpeed: tg / tgSeconds };
  }
}

/** Rows that a sweep of a context has. Throws InvalidArgumentError where that would be none. */
export function sweepRows({ shape }: Pick<MeasuredContext, "shape">, generated: number): number {
  if (!Number.isInteger(generated) || generated < 1)
    throw new InvalidArgumentError(`sweep: generated must be a whole number from 1, got ${generated}`);
  const { contextLength, max } = shape;
  const rows = Math.floor((contextLength - Math.max(max.T, generated)) / max.T) + 1;
  if (rows < 1)
    throw new InvalidArgumentError(`sweep: ${generated} generated tokens do not fit a context of ${contextLength}: use a longer one`);
  return rows;
}
