// Scores over q8_0 keys by dot-adds (two_bytes.ts). Eight cells are woven at a time, for one quad as well as for many: lanes are cells then, so no sums
// are left to be taken across a vector. The next eight are woven meanwhile, block by block, and the eight after those fetched: they come from
// memory while there is much to compute.
//
// Unsigned high bytes of queries are 128 too large, so as not to be negative. Taking that off the sums needs the sums of the keys; adding 128 to
// the keys instead would need those of queries and weights, and cost prefill 8 %.
//
// Over 256k cells in DRAM a fifth of decoding still waits where lines are fetched. Fetching took 70 -> 62 ms; not better: twice as far ahead, a byte
// each from four pages in turn, a load in every step of the tile (64); worse: all lines of eight cells at once (71).
//
// Keys of eight cells, woven: for each block of 32 elements f32 d[8], i32 -128 · sum [8] or 0, i8[8][8 cells][4].

import { Format, rowBytes } from "../cache";
import { weave4 } from "../matmul/weave";
import { f16Bits, f16Halves, f16Rebias, f16x4, opaque } from "../simd";
import { QUAD_BYTES, excessOf } from "./two_bytes";
import { CHUNK } from "./quad";
import { cellsAt, slotOf, touch } from "./slots";
import { dotEight } from "./tile_dots";

// @ts-ignore: decorator
@inline
const GROUP: u32 = 8;
// @ts-ignore: decorator
@inline
const KEYS_AT: usize = 64;
// @ts-ignore: decorator
@inline
const BLOCK_BYTES: usize = KEYS_AT + 256;
// @ts-ignore: decorator
@inline
const SUMS_BYTES: usize = 128;

/** scores [quads][CHUNK][4] = queries · keys [n][D]. Scratch: sums f32[4][8 cells], what was touched, woven keys twice, the last cells and zeros. */
export function scoreDots(scores: usize, queries: usize, keys: usize, n: u32, slots: u32, quads: u32, D: u32, scratch: usize): void {
  const row = rowBytes(Format.Q8_0, D), bytes = <usize>(D >> 5) * BLOCK_BYTES;
  const first = scratch + SUMS_BYTES + 16, second = first + bytes, last = second + bytes;
  let woven = first;
  weaveKeys(woven, cellsAt(keys, 0, n, GROUP, row, last), D);
  for (let cell: u32 = 0; cell < slots; cell += GROUP) {
    const to = scores + (<usize>slotOf(cell) << 4), next = woven == first ? second : first;
    const from = cell + GROUP < slots ? cellsAt(keys, cell + GROUP, n, GROUP, row, last) : 0, ahead = cell + 3 * GROUP <= n ? from + GROUP * row : 0;
    scoreEight(to, queries, woven, D, scratch, from, row, next, ahead);
    for (let quad: u32 = 1; quad < quads; quad++) scoreEight(to + (<usize>(quad * CHUNK) << 4), queries + (<usize>(quad * D) << 4), woven, D, scratch, 0, 0, 0, 0);
    woven = next;
  }
}

/** Eight cells. */
function weaveKeys(to: usize, cells: usize, D: u32): void {
  const row = rowBytes(Format.Q8_0, D), bits = f16Bits(), rebias = f16Rebias();
  for (const end = cells + row; cells < end; cells += 34, to += BLOCK_BYTES) weaveBlock(to, cells, row, D, bits, rebias);
}

/** A block of eight cells. */
// @ts-ignore: decorator
@inline
function weaveBlock(to: usize, cells: usize, row: usize, D: u32, bits: v128, rebias: v128): void {
  const others = cells + 4 * row;
  weaveFour(to, cells, cells + row, cells + 2 * row, cells + 3 * row, D, bits, rebias);
  weaveFour(to + 16, others, others + row, others + 2 * row, others + 3 * row, D, bits, rebias);
}

// @ts-ignore: decorator
@inline
function weaveFour(to: usize, a: usize, b: usize, c: usize, d: usize, D: u32, bits: v128, rebias: v128): void {
  const keys = to + KEYS_AT;
  v128.store(to, f16x4(f16Halves(a, b, c, d), bits, rebias));
  weave4(v128.load(a, 2), v128.load(b, 2), v128.load(c, 2), v128.load(d, 2), keys, 32);
  weave4(v128.load(a, 18), v128.load(b, 18), v128.load(c, 18), v128.load(d, 18), keys + 128, 32);
  v128.store(to, excessOf(keys, D), 32);
}

/** scores [8 cells, every second slot][4] = q · keys; next ← the cells at `from`, and those at `ahead` are fetched, unless that is 0. */
function scoreEight(scores: usize, q: usize, keys: usize, D: u32, sums: usize, from: usize, row: usize, next: usize, ahead: usize): void {
  const scales = q + (<usize>D << 3), bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  let touched: u32 = 0;
  memory.fill(sums, 0, SUMS_BYTES);
  for (; q < scales; q += QUAD_BYTES, keys += BLOCK_BYTES) {
    dotEight(sums, keys + KEYS_AT, q, v128.load(keys, 32), v128.load(keys, 48), keys, true);
    if (from) {
      weaveBlock(next, from, row, D, bits, rebias);
      next += BLOCK_BYTES; from += 34;
    }
    if (ahead) {
      touched |= touch(ahead);
      ahead += GROUP * 34;
    }
  }
  store<u32>(sums, touched, SUMS_BYTES);
  weaveScores(scores, sums, scales);
  weaveScores(scores + 128, sums + 16, scales);
}

/** Four cells, times the queries' scales. */
// @ts-ignore: decorator
@inline
function weaveScores(to: usize, sums: usize, scales: usize): void {
  const a = f32x4.mul(v128.load(sums), v128.load32_splat(scales)), b = f32x4.mul(v128.load(sums, 32), v128.load32_splat(scales, 4));
  const c = f32x4.mul(v128.load(sums, 64), v128.load32_splat(scales, 8)), d = f32x4.mul(v128.load(sums, 96), v128.load32_splat(scales, 12));
  weave4(a, b, c, d, to, 32);
}
