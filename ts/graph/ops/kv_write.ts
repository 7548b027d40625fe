import { op } from "../op.ts";

/**
 * Writes the keys and values of T tokens into the KV cache, rounded to the cache's type.
 * rows[t]: the sequence's stripe; positions[t]: the cell in it. Caches are [S, G, N, D] so that one head's cells lie in a row.
 */
export const kvWrite = op("kv_write", {
  inputs: {
    k: "f32[T, G, D]",
    v: "f32[T, G, D]",
    kCache: "cache[S, G, N, D]",
    vCache: "cache[S, G, N, D]",
    rows: "i32[T]",
    positions: "i32[T]",
  },
  outputs: {},
  mutates: ["kCache", "vCache"],
  reference({ k, v, kCache, vCache, rows, positions }, { T, G, N, D }) {
    for (let t = 0; t < T!; t++) {
      for (let g = 0; g < G!; g++) {
        const cell = (rows[t]! * G! + g) * N! + positions[t]!;
        const head = (t * G! + g) * D!;
        kCache.setRow(cell, k.subarray(head, head + D!)); // [D]
        vCache.setRow(cell, v.subarray(head, head + D!)); // [D]
      }
    }
  },
  units: ({ T, G }) => T! * G!,
  cost: ({ T, G, D }) => ({ flops: 0, bytes: 16 * T! * G! * D! }),
  cases: [
    { T: 1, G: 2, D: 64, S: 1, N: 8, rows: [0], positions: [5] },
    { T: 4, G: 1, D: 256, S: 3, N: 6, rows: [0, 0, 2, 2], positions: [0, 1, 4, 5] },
  ],
  tolerance: 1e-6,
});
