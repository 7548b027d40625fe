import { op } from "../op.ts";

/** out = silu(gate) · up, elementwise, silu(v) = v / (1 + e^-v). The inside of SwiGLU (Shazeer 2020). */
export const siluMul = op("silu_mul", {
  inputs: { gate: "f32[T..., F]", up: "f32[T..., F]" },
  outputs: { out: "f32[T..., F]" },
  reference({ out, gate, up }, { T, F }) {
    for (let i = 0; i < T! * F!; i++) out[i] = (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!;
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, F }) => ({ flops: 8 * T! * F!, bytes: 12 * T! * F! }),
  cases: [
    { T: 1, F: 128 },
    { T: 5, F: 514 },
  ],
  tolerance: 2e-6,
});
