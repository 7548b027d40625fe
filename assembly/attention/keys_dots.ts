// Scores over q8_0 keys by dot-adds (dots.ts). Eight cells are woven at a time, for one quad as well as for many: lanes are cells then, so no sums
// are left to be taken across a vector. The next eight are woven meanwhile, block by block: they come from memory while there is much to compute.
//
// Keys of eight cells, woven: for each block of 32 elements f32 d[8], i32 what the queries' high bytes are too large by, times the keys [8],
// then i8[8][8 cells][4].

import { Format, rowBytes } from "../cache";
import { weave4 } from "../matmul/weave";
import { f16Bits, f16Halves, f16Rebias, f16x4, opaque, rdot32 } from "../simd";
import { Bytes, dotBytes } from "./dots";
import { CHUNK } from "./quad";
import { cellsAt, slotOf } from "./slots";
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

/** scores [quads][CHUNK][4] = queries · keys [n][D]. Scratch: sums f32[4][8 cells], woven keys twice, the last cells and zeros. */
export function scoreDots(scores: usize, queries: usize, keys: usize, n: u32, slots: u32, quads: u32, D: u32, scratch: usize): void {
  const row = rowBytes(Format.Q8_0, D), bytes = <usize>(D >> 5) * BLOCK_BYTES, first = scratch + SUMS_BYTES + 16, second = first + bytes, last = second + bytes;
  const excess = i8x16.splat(dotBytes(D) == Bytes.Unsigned ? -128 : 0), bits = f16Bits(), rebias = f16Rebias();
  let woven = first, from = cellsAt(keys, 0, n, GROUP, row, last);
  for (let i: usize = 0; i < <usize>(D >> 5); i++) packBlock(woven + i * BLOCK_BYTES, from + i * 34, row, excess, bits, rebias);
  for (let cell: u32 = 0; cell < slots; cell += GROUP) {
    const to = scores + (<usize>slotOf(cell) << 4), next = woven == first ? second : first;
    from = cell + GROUP < slots ? cellsAt(keys, cell + GROUP, n, GROUP, row, last) : 0;
    for (let quad: u32 = 0; quad < quads; quad++) {
      scoreEight(to + (<usize>(quad * CHUNK) << 4), queries + (<usize>(quad * D) << 4), woven, D, scratch, quad == 0 ? from : 0, row, next, excess, cell + 3 * GROUP <= n ? keys + <usize>(cell + 2 * GROUP) * row : 0);
    }
    woven = next;
  }
}

/** A block of eight cells. */
// @ts-ignore: decorator
@inline
function packBlock(to: usize, cells: usize, row: usize, excess: v128, bits: v128, rebias: v128): void {
  packFour(to, cells, cells + row, cells + 2 * row, cells + 3 * row, excess, bits, rebias);
  cells += 4 * row;
  packFour(to + 16, cells, cells + row, cells + 2 * row, cells + 3 * row, excess, bits, rebias);
}

// @ts-ignore: decorator
@inline
function packFour(to: usize, a: usize, b: usize, c: usize, d: usize, excess: v128, bits: v128, rebias: v128): void {
  v128.store(to, f16x4(f16Halves(a, b, c, d), bits, rebias));
  const sum = i32x4.add(weaveKeys(to + KEYS_AT, a + 2, b + 2, c + 2, d + 2, excess), weaveKeys(to + KEYS_AT + 128, a + 18, b + 18, c + 18, d + 18, excess));
  v128.store(to, i32x4.neg(sum), 32);
}

/** Sixteen elements of four cells; returns their products with `excess`. */
// @ts-ignore: decorator
@inline
function weaveKeys(to: usize, a: usize, b: usize, c: usize, d: usize, excess: v128): v128 {
  weave4(v128.load(a), v128.load(b), v128.load(c), v128.load(d), to, 32);
  const sum = rdot32(v128.load(to, 32), excess, rdot32(v128.load(to), excess, i32x4.splat(0)));
  return rdot32(v128.load(to, 96), excess, rdot32(v128.load(to, 64), excess, sum));
}

/** scores [8 cells, every second slot][4] = q · keys; next ← the cells at `from`, unless that is 0. */
function scoreEight(scores: usize, q: usize, keys: usize, D: u32, sums: usize, from: usize, row: usize, next: usize, excess: v128, ahead: usize): void {
  const scales = q + (<usize>D << 3), bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  let touched: u32 = 0;
  memory.fill(sums, 0, SUMS_BYTES);
  for (; q < scales; q += 256, keys += BLOCK_BYTES) {
    dotEight(sums, keys + KEYS_AT, q, v128.load(keys, 32), v128.load(keys, 48), keys, true);
    if (from) {
      packBlock(next, from, row, excess, bits, rebias);
      next += BLOCK_BYTES; from += 34;
      if (ahead) {
        touched |= load<u32>(ahead) | load<u32>(ahead, 64) | load<u32>(ahead, 128) | load<u32>(ahead, 192);
        ahead += 272;
      }
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
