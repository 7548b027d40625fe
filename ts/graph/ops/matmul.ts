import { op } from "../op.ts";

/** out[t, n] = Σ_k x[t, k] · w[n, k]. Backends may round x to 8 bits per block where w is a quantised format, as llama.cpp does. */
export const matmul = op("matmul", {
  inputs: { x: "f32[T..., K]", w: "weight[N, K]" },
  outputs: { out: "f32[T..., N]" },
  reference({ out, x, w }, { T, N, K }) {
    for (let n = 0; n < N!; n++) {
      const row = w.row(n, K!); // [K]
      for (let t = 0; t < T!; t++) {
        let sum = 0;
        for (let k = 0; k < K!; k++) sum += x[t * K! + k]! * row[k]!;
        out[t * N! + n] = sum;
      }
    }
  },
  units: ({ N }) => Math.ceil(N! / 8),
  cost: ({ T, N, K }) => ({ flops: 2 * T! * N! * K!, bytes: 4 * T! * (N! + K!) + N! * K! }),
  cases: [
    { T: 1, N: 64, K: 256 },
    { T: 1, N: 1, K: 512 },
    { T: 5, N: 9, K: 256 },
    { T: 33, N: 40, K: 512 },
  ],
  tolerance: 1e-5,
});
