import { op } from "../op.ts";

/**
 * Causal depthwise convolution along each sequence, then SiLU; the last J = K - 1 inputs of a sequence stay in its row of state R.
 * out[t, c] = silu(Σ_j weight[j, c] · window[t + j, c]), window = [state row | x of that sequence], so weight[K - 1] meets the newest.
 * weight is tap-major: the file's ssm_conv1d {d_conv, channels} transposed. Tokens of one sequence are adjacent and in order.
 */
export const conv1d = op("conv1d", {
  inputs: { x: "f32[T, C]", weight: "f32[K, C]", state: "f32[S, J, C]", rows: "i32[T]" },
  outputs: { out: "f32[T, C]" },
  mutates: ["state"],
  check: ({ K, J }) => (J === K! - 1 ? undefined : `state must hold K - 1 = ${K! - 1} inputs a sequence`),
  reference({ out, x, weight, state, rows }, { T, C, J }) {
    for (let t = 0; t < T!; t++) {
      const row = rows[t]! * J! * C!;
      for (let c = 0; c < C!; c++) {
        let sum = weight[J! * C! + c]! * x[t * C! + c]!;
        for (let j = 0; j < J!; j++) sum += weight[j * C! + c]! * state[row + j * C! + c]!;
        out[t * C! + c] = sum / (1 + Math.exp(-sum));
      }
      state.copyWithin(row, row + C!, row + J! * C!); // the oldest leaves …
      state.set(x.subarray(t * C!, (t + 1) * C!), row + (J! - 1) * C!); // … the newest enters
    }
  },
  units: ({ C }) => Math.ceil(C! / 16),
  cost: ({ T, C, K }) => ({ flops: T! * C! * (2 * K! + 8), bytes: 4 * C! * (2 * T! + 3 * K!) }),
  cases: [
    { T: 1, C: 64, K: 4, S: 1, J: 3, rows: [0] },
    { T: 7, C: 96, K: 4, S: 3, J: 3, rows: [1, 1, 1, 1, 1, 1, 1] },
    { T: 6, C: 40, K: 4, S: 3, J: 3, rows: [0, 0, 2, 1, 1, 1] },
    { T: 2, C: 32, K: 4, S: 1, J: 3, rows: [0, 0] },
  ],
  tolerance: 2e-6,
});
