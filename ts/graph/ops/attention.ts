import { op } from "../op.ts";

/**
 * Causal attention of T new tokens over their sequences' KV cache, grouped query heads (head h reads kv head h / (H / G)):
 * out[t, h] = Σ_j softmax_j(scale · q[t, h] · k[j]) · v[j] over the cells j = 0 … positions[t] of stripe rows[t].
 */
export const attention = op("attention", {
  inputs: { q: "f32[T, H, D]", kCache: "cache[S, G, N, D]", vCache: "cache[S, G, N, D]", rows: "i32[T]", positions: "i32[T]" },
  outputs: { out: "f32[T, H, D]" },
  params: { scale: "f32" },
  check: ({ H, G }) => (H! % G! === 0 ? undefined : `kv heads G = ${G} must divide query heads H = ${H}`),
  reference({ out, q, kCache, vCache, rows, positions }, { T, H, G, N, D, scale }) {
    for (let t = 0; t < T!; t++) {
      for (let h = 0; h < H!; h++) {
        const head = (t * H! + h) * D!;
        const stripe = (rows[t]! * G! + Math.floor(h / (H! / G!))) * N!;
        const scores = new Float64Array(positions[t]! + 1); // [cells]
        for (let j = 0; j < scores.length; j++) {
          const key = kCache.row(stripe + j, D!); // [D]
          for (let i = 0; i < D!; i++) scores[j]! += q[head + i]! * key[i]! * scale!;
        }
        const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
        const exps = scores.map((score) => Math.exp(score - top));
        const sum = exps.reduce((a, b) => a + b, 0);
        out.fill(0, head, head + D!);
        for (let j = 0; j < scores.length; j++) {
          const value = vCache.row(stripe + j, D!); // [D]
          for (let i = 0; i < D!; i++) out[head + i]! += (exps[j]! / sum) * value[i]!;
        }
      }
    }
  },
  // a kv head and tokens of up to 64 query heads, of fewer where that makes fewer than 16 units
  units: ({ T, H, G }) => G! * Math.ceil(T! / Math.max(1, Math.min(Math.floor(64 / (H! / G!)), Math.floor((T! * G!) / 16)))),
  cost: ({ T, H, N, D }) => ({ flops: 4 * T! * H! * D! * (N! / 2), bytes: 2 * T! * H! * D! * N! }),
  cases: [
    { T: 1, H: 4, G: 2, D: 64, S: 1, N: 150, scale: 0.125, rows: [0], positions: [140] },
    { T: 1, H: 2, G: 2, D: 32, S: 2, N: 8, scale: 0.2, rows: [1], positions: [0] },
    { T: 2, H: 20, G: 2, D: 32, S: 1, N: 9, scale: 0.2, rows: [0, 0], positions: [5, 6] },
    { T: 5, H: 4, G: 1, D: 256, S: 2, N: 70, scale: 0.0625, rows: [0, 0, 0, 1, 1], positions: [64, 65, 66, 0, 1] },
    { T: 3, H: 6, G: 2, D: 32, S: 1, N: 1100, scale: 0.2, rows: [0, 0, 0], positions: [511, 512, 1090] },
  ],
  tolerance: 1e-5,
  // the CPU rounds queries and weights to i16 there: at most 1.4e-4 in 84 draws of such cases, where the rounding of cells to q8_0 errs by 4e-3
  cacheTolerance: { Q8_0: 2e-4 },
});
