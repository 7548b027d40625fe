import { op } from "../op.ts";

/**
 * Softmax over all experts, the U largest (the lower index first among equals), their weights renormalised to sum 1.
 * llama.cpp build_moe_ffn with softmax gating and norm_w.
 */
export const router = op("router", {
  inputs: { logits: "f32[T, X]" },
  outputs: { ids: "i32[T, U]", weights: "f32[T, U]" },
  params: { U: "u32" },
  check: ({ U, X }) => (U! >= 1 && U! <= X! ? undefined : `U = ${U} experts used must be 1 to X = ${X}`),
  reference({ logits, ids, weights }, { T, X, U }) {
    for (let t = 0; t < T!; t++) {
      const row = logits.subarray(t * X!, (t + 1) * X!); // [X]
      const best = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, U);
      const exps = best.map((x) => Math.exp(row[x]! - row[best[0]!]!)); // softmax's denominator cancels in the renormalisation
      const sum = exps.reduce((a, b) => a + b, 0);
      best.forEach((x, u) => {
        ids[t * U! + u] = x;
        weights[t * U! + u] = exps[u]! / sum;
      });
    }
  },
  units: ({ T }) => T!,
  rowwise: () => true,
  cost: ({ T, X, U }) => ({ flops: T! * X! * U!, bytes: 4 * T! * (X! + 2 * U!) }),
  cases: [
    { T: 1, X: 16, U: 4 },
    { T: 9, X: 256, U: 8 },
    { T: 2, X: 5, U: 5 },
  ],
  tolerance: 2e-6,
});
