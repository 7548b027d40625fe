import { op } from "../op.ts";

/** out = rms_norm(x) · weight · silu(gate), per head of D elements. The delta net's output norm (linear_attn.norm: no 1 + w here). */
export const gatedNorm = op("gated_norm", {
  inputs: { x: "f32[T..., D]", gate: "f32[T..., D]", weight: "f32[D]" },
  outputs: { out: "f32[T..., D]" },
  params: { eps: "f32" },
  reference({ out, x, gate, weight }, { T, D, eps }) {
    for (let t = 0; t < T!; t++) {
      let sum = 0;
      for (let i = 0; i < D!; i++) sum += x[t * D! + i]! ** 2;
      const scale = 1 / Math.sqrt(sum / D! + eps!);
      for (let i = 0; i < D!; i++) {
        const z = gate[t * D! + i]!;
        out[t * D! + i] = (x[t * D! + i]! * scale * weight[i]! * z) / (1 + Math.exp(-z));
      }
    }
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, D }) => ({ flops: 12 * T! * D!, bytes: 12 * T! * D! }),
  cases: [
    { T: 4, D: 32, eps: 1e-6 },
    { T: 33, D: 128, eps: 1e-6 },
  ],
  tolerance: 5e-6, // exp4 is good to 2e-7, and an outlier is several times the root mean square
});
