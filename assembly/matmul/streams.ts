// out = w · x for the formats whose rows leave integer sums for combine.ts: which rows meet, and in what pieces they are read.
//
// A core's prefetcher runs some twenty lines ahead of a stream, which hides too little of DRAM's latency while each line is computed on: a row
// after the other came at 6 GB/s where the same kernel makes 11.5 out of the cache. But it keeps such a lead in many pages at once. So the four
// rows that meet come from four places far apart, half a KiB to a KiB of each in turn (151936x1024 on an Intel Xeon: Q4_K 4.7 -> 6.7 GB/s, relaxed
// 6.0 -> 9.4). Reading a byte of every line ahead, or a KiB of lines in one go, did not help.

import { ROWS } from "./combine";

/**
 * How far apart the rows lie that are read one after the other, in rows: a matvec takes rows r, r + apart, r + 2 apart … for each r < apart.
 */
// @ts-ignore: decorator
@inline
export function streamsApart(rows: u32): u32 {
  return (rows + ROWS - 1) / ROWS;
}

/**
 * out[rows] = w[rows, K] · x[K]. F is a class without fields, used as changetype<F>(0):
 *   bytes                  of a block of 256
 *   sumBytes               what a block leaves in `sums`
 *   run                    blocks that are read of one row before the next one's turn
 *   sums(…)                the sums of `count` blocks from the b-th on; their f16 d, four rows interleaved, for combine
 *   combine(…)             combine.ts's function for the format
 */
// @ts-ignore: decorator
@inline
export function matvecRows<F>(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  const f = changetype<F>(0), blocks = <usize>(K >> 8), rowBytes = blocks * f.bytes, sumBytes = blocks * f.sumBytes, scales = scratch + 4 * sumBytes;
  const apart = streamsApart(rows);
  for (let r: u32 = 0; r < apart; r++, w += rowBytes, out += 4) {
    const n = (rows - r + apart - 1) / apart;
    for (let b: usize = 0; b < blocks; b += f.run) {
      const count = min(f.run, blocks - b);
      let p = w + b * f.bytes, sums = scratch + b * f.sumBytes, d = scales + (b << 4);
      for (let i: u32 = 0; i < n; i++) {
        f.sums(p, count, x, b, K, sums, d);
        p += <usize>apart * rowBytes; sums += sumBytes; d += 4;
      }
    }
    f.combine(out, n, <usize>apart << 2, scratch, scales, x, <u32>blocks);
  }
}
