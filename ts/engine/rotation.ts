import type { RopeConfig } from "../models/config.ts";

/**
 * cos and sin of every rope angle of these positions: f32[T, 2, P], cosines first, made in float64.
 * Pair p turns by position · freqBase^(-p / P). With sections (IMROPE, llama.cpp ggml_mrope) a pair belongs to the time, height,
 * width or extra axis; for text the first three are the position and extra is 0.
 */
export function rotations(rope: RopeConfig, positions: ArrayLike<number>): Float32Array {
  const P = rope.dimensions / 2;
  const out = new Float32Array(positions.length * 2 * P);
  const frequency = Float64Array.from({ length: P }, (_, p) => (isExtra(rope, p) ? 0 : rope.freqBase ** (-p / P) / rope.scale));
  for (let t = 0; t < positions.length; t++) {
    const at = t * 2 * P;
    for (let p = 0; p < P; p++) {
      const angle = positions[t]! * frequency[p]!;
      out[at + p] = Math.cos(angle);
      out[at + P + p] = Math.sin(angle);
    }
  }
  return out;
}

/** Whether interleaved sections [t, h, w, e] leave pair p to the extra axis. */
function isExtra({ sections }: RopeConfig, p: number): boolean {
  if (!sections) return false;
  const [t, h, w, e] = sections as [number, number, number, number];
  const sector = p % (t + h + w + e);
  const axis = sector % 3;
  return sector >= 3 * [t, h, w][axis]!;
}
