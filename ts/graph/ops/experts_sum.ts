import { op } from "../op.ts";

/** out[t, e] = Σ_u weights[t, u] · x[t, u, e] */
export const expertsSum = op("experts_sum", {
  inputs: { x: "f32[T, U, E]", weights: "f32[T, U]" },
  outputs: { out: "f32[T, E]" },
  reference({ out, x, weights }, { T, U, E }) {
    for (let t = 0; t < T!; t++) {
      for (let e = 0; e < E!; e++) {
        let sum = 0;
        for (let u = 0; u < U!; u++) sum += weights[t * U! + u]! * x[(t * U! + u) * E! + e]!;
        out[t * E! + e] = sum;
      }
    }
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, U, E }) => ({ flops: 2 * T! * U! * E!, bytes: 4 * T! * E! * (U! + 1) }),
  cases: [
    { T: 1, U: 4, E: 256 },
    { T: 7, U: 10, E: 60 },
  ],
  tolerance: 2e-6,
});
