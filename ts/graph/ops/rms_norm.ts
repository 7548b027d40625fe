import { op } from "../op.ts";

/** out[t, i] = x[t, i] / sqrt(mean_i(x[t, i]²) + eps) · weight[i]. Zhang & Sennrich 2019; the file's weight already holds Qwen's 1 + w. */
export const rmsNorm = op("rms_norm", {
  inputs: { x: "f32[T..., D]", weight: "f32[D]" },
  outputs: { out: "f32[T..., D]" },
  params: { eps: "f32" },
  reference({ out, x, weight }, { T, D, eps }) {
    for (let t = 0; t < T!; t++) {
      let sum = 0;
      for (let i = 0; i < D!; i++) sum += x[t * D! + i]! ** 2;
      const scale = 1 / Math.sqrt(sum / D! + eps!);
      for (let i = 0; i < D!; i++) out[t * D! + i] = x[t * D! + i]! * scale * weight[i]!;
    }
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, D }) => ({ flops: 4 * T! * D!, bytes: 8 * T! * D! }),
  cases: [
    { T: 1, D: 64, eps: 1e-6 },
    { T: 7, D: 4096, eps: 1e-6 },
    { T: 3, D: 30, eps: 1e-5 },
  ],
  tolerance: 2e-6,
});
