import { op } from "../op.ts";

/** out[t, i] = x[t, i] · sigmoid(gate[t, i mod M]): M = 1 gates a whole token (shared expert), M = F each element (gated attention). */
export const sigmoidMul = op("sigmoid_mul", {
  inputs: { x: "f32[T, F]", gate: "f32[T, M]" },
  outputs: { out: "f32[T, F]" },
  check: ({ F, M }) => (M === 1 || M === F ? undefined : `gate must be f32[T, 1] or f32[T, F] with F = ${F}`),
  reference({ out, x, gate }, { T, F, M }) {
    for (let t = 0; t < T!; t++) {
      for (let i = 0; i < F!; i++) out[t * F! + i] = x[t * F! + i]! / (1 + Math.exp(-gate[t * M! + (i % M!)]!));
    }
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, F, M }) => ({ flops: 8 * T! * F!, bytes: 4 * T! * (2 * F! + M!) }),
  cases: [
    { T: 1, F: 256, M: 1 },
    { T: 5, F: 130, M: 130 },
    { T: 3, F: 66, M: 1 },
  ],
  tolerance: 2e-6,
});
