import { op } from "../op.ts";

/**
 * Rotary embedding, NEOX pairing (i, i + P), on the first 2P of D elements of each head; the rest pass through. Su et al. 2021.
 * rotation[t] = [cos of P angles, sin of P angles], made once a run by the engine in float64: sections (IMROPE), scaling and
 * long contexts are then its matter alone, and GPU sines, wrong by 2e-3 at 30000, never enter.
 */
export const rope = op("rope", {
  inputs: { x: "f32[T, H, D]", rotation: "f32[T, 2, P]" },
  outputs: { out: "f32[T, H, D]" },
  check: ({ D, P }) => (2 * P! <= D! ? undefined : `2 · P = ${2 * P!} rotated elements must be at most D = ${D}`),
  reference({ out, x, rotation }, { T, H, D, P }) {
    out.set(x);
    for (let t = 0; t < T!; t++) {
      for (let h = 0; h < H!; h++) {
        const head = (t * H! + h) * D!;
        for (let p = 0; p < P!; p++) {
          const cos = rotation[t * 2 * P! + p]!;
          const sin = rotation[t * 2 * P! + P! + p]!;
          out[head + p] = x[head + p]! * cos - x[head + P! + p]! * sin;
          out[head + P! + p] = x[head + p]! * sin + x[head + P! + p]! * cos;
        }
      }
    }
  },
  units: ({ T, H }) => T! * H!,
  cost: ({ T, H, D, P }) => ({ flops: 6 * T! * H! * P!, bytes: 8 * T! * H! * D! }),
  cases: [
    { T: 1, H: 4, D: 64, P: 8 },
    { T: 5, H: 2, D: 256, P: 32 },
    { T: 2, H: 3, D: 16, P: 8 },
  ],
  tolerance: 1e-6,
});
