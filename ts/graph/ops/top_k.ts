import { op } from "../op.ts";

/**
 * The k largest logits of each row, falling, and their indices; of equals the lower index comes first. NaN counts as the largest of all, so
 * that a damaged row shows.
 */
export const topK = op("top_k", {
  inputs: { logits: "f32[O, V]" },
  outputs: { values: "f32[O, k]", ids: "i32[O, k]" },
  params: { k: "u32" },
  check: ({ k, V }) => (k! >= 1 && k! <= V! ? undefined : `k = ${k} must be 1 to V = ${V}`),
  reference({ logits, values, ids }, { O, V, k }) {
    for (let o = 0; o < O!; o++) {
      const row = logits.subarray(o * V!, (o + 1) * V!); // [V]
      const rank = row.map((value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value));
      const nan = (i: number) => Number(Number.isNaN(row[i]));
      const best = [...row.keys()].sort((a, b) => nan(b) - nan(a) || (rank[a] === rank[b] ? a - b : rank[b]! - rank[a]!)).slice(0, k);
      best.forEach((id, i) => {
        values[o * k! + i] = row[id]!;
        ids[o * k! + i] = id;
      });
    }
  },
  units: ({ O }) => O!,
  cost: ({ O, V }) => ({ flops: O! * V!, bytes: 4 * O! * V! }),
  cases: [
    { O: 1, V: 8192, k: 64 },
    { O: 3, V: 5, k: 5 },
    { O: 2, V: 1025, k: 1 },
    { O: 2, V: 70001, k: 40 },
  ],
  tolerance: 0,
});
