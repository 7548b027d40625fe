import { op } from "../op.ts";

/** out[r] = w[ids[r]]: embeddings of tokens, or some rows of a value. */
export const getRows = op("get_rows", {
  inputs: { w: "weight[N, D]", ids: "i32[R]" },
  outputs: { out: "f32[R, D]" },
  reference({ out, w, ids }, { R, D }) {
    for (let r = 0; r < R!; r++) out.set(w.row(ids[r]!, D!), r * D!); // [D]
  },
  units: ({ R }) => R!,
  rowwise: () => true,
  cost: ({ R, D }) => ({ flops: 0, bytes: 8 * R! * D! }),
  cases: [
    { N: 9, D: 256, R: 1, ids: [8] },
    { N: 33, D: 512, R: 5, ids: [0, 32, 7, 7, 1] },
  ],
  tolerance: 1e-6,
});
