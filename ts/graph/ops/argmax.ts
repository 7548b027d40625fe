import { op } from "../op.ts";

/**
 * ids[o] = the index of row o's largest logit, the lowest of equals; NaN never wins. It is also put where the next run will look for its
 * tokens (next[o], for the rows that fit): a GPU can then begin the next token before this one has been read back.
 */
export const argmax = op("argmax", {
  inputs: { logits: "f32[O, V]", next: "i32[T]" },
  outputs: { ids: "i32[O]" },
  mutates: ["next"],
  reference({ logits, next, ids }, { O, V, T }) {
    for (let o = 0; o < O!; o++) {
      let best = 0;
      for (let v = 1; v < V!; v++) {
        const [value, most] = [logits[o * V! + v]!, logits[o * V! + best]!];
        if (value > most || (Number.isNaN(most) && !Number.isNaN(value))) best = v;
      }
      ids[o] = best;
      if (o < T!) next[o] = best;
    }
  },
  units: ({ O }) => O!,
  cost: ({ O, V }) => ({ flops: O! * V!, bytes: 4 * O! * V! }),
  cases: [
    { O: 1, V: 1000, T: 1, next: [7] },
    { O: 3, V: 4099, T: 2, next: [1, 2] },
    { O: 2, V: 5, T: 6, next: [1, 2, 3, 4, 5, 6] },
  ],
  tolerance: 0,
});
