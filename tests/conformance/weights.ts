/** Random weights for tests and benchmarks: any bits are a valid block, but scales must be of a sensible size. */

import { type Format, f32ToF16, formatByName } from "../../ts/graph/formats.ts";

/** Where a block keeps its f16 scales. */
const scaleOffsets: Partial<Record<Format, number[]>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};

/** A small linear congruential generator: numbers in [0, 1), the same in every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Roughly normal numbers, sigma 1. f32[count] */
export function normals(count: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * Math.sqrt(3));
}

/** `count` elements (whole blocks) of a format. */
export function randomWeights(format: Format, count: number, next: () => number): Uint8Array {
  const { blockSize, blockBytes, quantize } = formatByName(format);
  if (blockSize === 1) return quantize!(normals(count, next));
  const bytes = Uint8Array.from({ length: (count / blockSize) * blockBytes }, () => next() * 256);
  const view = new DataView(bytes.buffer);
  for (let p = 0; p < bytes.length; p += blockBytes) {
    if (format === "MXFP4") bytes[p] = 118 + next() * 8;
    for (const offset of scaleOffsets[format] ?? []) {
      // Both signs, and one block in four with a subnormal scale, as real K-quants have.
      const size = next() < 0.25 ? 2e-5 : 0.01;
      view.setUint16(p + offset, f32ToF16((next() - 0.5) * size), true);
    }
  }
  return bytes;
}
