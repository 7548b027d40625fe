import type { Tensor } from "../graph/tensor.ts";

/** A value in one buffer: needed from step `first` to step `last`, both included. */
export interface Life {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Where values lie in one buffer, by their storage, in bytes. */
export interface Placed {
  readonly offsets: ReadonlyMap<Tensor, number>;
  readonly bytes: number;
}

/**
 * Gives every value an offset such that two that are alive at once never overlap: the largest first, each at the lowest free place.
 * `alignment` in bytes: 64 keeps the threads of two values off one cache line, WebGPU binds storage at multiples of 256.
 */
export function place(lives: readonly Life[], alignment: number): Placed {
  const offsets = new Map<Tensor, number>();
  const placed: { life: Life; begin: number; end: number }[] = [];
  let total = 0;
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const size = Math.ceil(life.bytes / alignment) * alignment;
    const others = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.begin - b.begin);
    let begin = 0;
    for (const other of others) {
      if (begin + size <= other.begin) break;
      begin = Math.max(begin, other.end);
    }
    placed.push({ life, begin, end: begin + size });
    offsets.set(life.tensor, begin);
    total = Math.max(total, begin + size);
  }
  return { offsets, bytes: total };
}
