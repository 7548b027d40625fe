import { op } from "../op.ts";

/** out[t, u, n] = Σ_k x[t, u mod B, k] · w[ids[t, u], n, k]: each slot u of a token goes through the expert that the router gave it. */
export const matmulExperts = op("matmul_experts", {
  inputs: { x: "f32[T, B, K]", w: "weight[X, N, K]", ids: "i32[T, U]" },
  outputs: { out: "f32[T, U, N]" },
  check: ({ B, U }) => (B === 1 || B === U ? undefined : `x must be f32[T, 1, K] or f32[T, U, K] with U = ${U}`),
  reference({ out, x, w, ids }, { T, U, B, N, K }) {
    for (let t = 0; t < T!; t++) {
      for (let u = 0; u < U!; u++) {
        const xRow = (t * B! + (u % B!)) * K!;
        for (let n = 0; n < N!; n++) {
          const row = w.row(ids[t * U! + u]! * N! + n, K!); // [K]
          let sum = 0;
          for (let k = 0; k < K!; k++) sum += x[xRow + k]! * row[k]!;
          out[(t * U! + u) * N! + n] = sum;
        }
      }
    }
  },
  units: ({ N }) => Math.ceil(N! / 8), // eight rows of every expert
  cost: ({ T, U, X, N, K }) => ({ flops: 2 * T! * U! * N! * K!, bytes: Math.min(T! * U!, X!) * N! * K! + 4 * T! * U! * (N! + K!) }),
  cases: [
    { T: 1, B: 1, U: 2, X: 4, N: 24, K: 256, ids: [3, 0] },
    { T: 1, B: 2, U: 2, X: 4, N: 9, K: 512, ids: [1, 2] },
    { T: 6, B: 1, U: 2, X: 4, N: 16, K: 256, ids: [0, 1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 1] },
    { T: 5, B: 2, U: 2, X: 3, N: 10, K: 256, ids: [2, 0, 2, 0, 0, 2, 2, 0, 2, 0] },
  ],
  tolerance: 1e-5,
});
