import { nextTask } from "../engine/next-task.ts";
import { Random } from "../engine/samplers/random.ts";
import { formatByName } from "../graph/formats.ts";
import { type GgufLayout, layoutGguf } from "../io/gguf-writer.ts";
import { normals } from "./blocks.ts";
import { metadataOf } from "./metadata.ts";
import { resolveSizes, type Sizes, type SynthOptions } from "./options.ts";
import { type PlannedTensor, planTensors } from "./plan.ts";
import { Pools } from "./pool.ts";

export interface SynthReport {
  readonly bytes: number;
  readonly parameters: number;
  readonly tensors: number;
  readonly seconds: number;
}

/** Bytes of the file that `synthesize` writes with these options, and the weights in it. Throws InvalidArgumentError. */
export function synthSize(options: SynthOptions): { readonly bytes: number; readonly parameters: number } {
  const { plan, layout } = lay(resolveSizes(options));
  return { bytes: layout.fileBytes, parameters: parametersOf(plan) };
}

/**
 * Writes a GGUF of a real model's shapes with random weights, through `write`, in order and in pieces of at most 2 MiB (the header in
 * one). The pieces are views on memory that is used again: write or copy them, do not change or keep them.
 *
 * Throws InvalidArgumentError for options out of range, UnsupportedFormatError, what `write` throws, or the signal's reason.
 */
export async function synthesize(options: SynthOptions, write: (bytes: Uint8Array) => Promise<void> | void): Promise<SynthReport> {
  const start = performance.now();
  const sizes = resolveSizes(options);
  const { plan, layout } = lay(sizes);
  const random = new Random(sizes.seed);
  const pools = new Pools(plan, random);
  let writtenBytes = 0;
  let pausedAt = start;
  const put = async (bytes: Uint8Array, tensor: string) => {
    options.signal?.throwIfAborted();
    await write(bytes);
    writtenBytes += bytes.length;
    options.onProgress?.({ writtenBytes, totalBytes: layout.fileBytes, tensor });
    if (performance.now() - pausedAt > PAUSE_MS) {
      await nextTask(); // a `write` that never waits would keep out clicks and aborts
      pausedAt = performance.now();
    }
  };
  await put(layout.header, "");
  for (const [i, tensor] of plan.entries()) {
    for (const piece of contents(tensor, pools, random)) await put(piece, tensor.name);
    const { padding } = layout.places[i]!;
    if (padding > 0) await put(new Uint8Array(padding), tensor.name);
  }
  const seconds = (performance.now() - start) / 1000;
  return { bytes: layout.fileBytes, parameters: parametersOf(plan), tensors: plan.length, seconds };
}

/** A frame of a page. */
const PAUSE_MS = 16;

function lay(sizes: Sizes): { plan: PlannedTensor[]; layout: GgufLayout } {
  const plan = planTensors(sizes);
  const entries = plan.map(({ name, shape, format }) => ({ name, shape, type: formatByName(format).ggmlType }));
  return { plan, layout: layoutGguf(metadataOf(sizes), entries) };
}

function parametersOf(plan: readonly PlannedTensor[]): number {
  return plan.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

function contents(tensor: PlannedTensor, pools: Pools, random: Random): Iterable<Uint8Array> {
  const { fill, shape } = tensor;
  if (fill.kind === "weights") return pools.take(tensor);
  const values = Float32Array.from({ length: shape[0]! }, special[fill.kind](random));
  return [new Uint8Array(values.buffer)];
}

/** Vectors that are no weights of mean 0. */
const special = {
  norm: (random: Random) => () => 1 + normals(1, 0.1, random)[0]!,
  // A head's memory halves every ln 2 / (|A| · softplus(a + dt)) tokens: with these every token to every hundred, as in trained models.
  decay: (random: Random) => () => -Math.exp(4 * random.next() - 2),
  step: (random: Random) => () => 4 * random.next() - 3,
} as const;
