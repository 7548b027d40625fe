// The products of q8_0 cells for many queries: four rows of int8, widened, by a quad of queries in i16, a lane for each query. Scores and values
// take the same tile:
//   scores: a row is a cell, a step four of its elements; scales lie with the rows
//   values: a row is an element, a step four cells; scales lie with the queries
// Integer sums are exact, so for few queries the same results come of cells as they are (scoreRows, addRows), as long as the float steps agree.
//
// i16 makes 12 products a cycle, float32 6, or 8 by FMA. What did not pay, measured on x86, cells read from memory:
//   weaving cells for a single quad: 10 G products a second over cells in cache, 16 as they are
//   widening them for it, four at a time, so that lanes are queries and no sums are left across a vector: 17.2, but 14.5 instead of 14.7 over 256k cells
//   reading a byte of each line some cells ahead, as keys_dots.ts does: nothing

import { fma4, mac } from "../simd";

/** Bytes of a step: rows i16[4][4], queries i16[2][4][2]. */
// @ts-ignore: decorator
@inline
export const STEP: usize = 32;

/** out [4 rows][4] += rows · x, times `scales` [4]: of the rows, or else of the queries. */
// @ts-ignore: decorator
@inline
function addTile(out: usize, rows: usize, end: usize, x: usize, scales: usize, ofRows: bool): void {
  const z = i32x4.splat(0);
  let a = z, b = z, c = z, d = z;
  for (; rows < end; rows += STEP, x += STEP) {
    const u = v128.load(x), v = v128.load(x, 16);
    a = mac(v128.load32_splat(rows, 4), v, mac(v128.load32_splat(rows), u, a));
    b = mac(v128.load32_splat(rows, 12), v, mac(v128.load32_splat(rows, 8), u, b));
    c = mac(v128.load32_splat(rows, 20), v, mac(v128.load32_splat(rows, 16), u, c));
    d = mac(v128.load32_splat(rows, 28), v, mac(v128.load32_splat(rows, 24), u, d));
  }
  addScaled(out, a, ofRows ? v128.load32_splat(scales) : v128.load(scales));
  addScaled(out + 16, b, ofRows ? v128.load32_splat(scales, 4) : v128.load(scales));
  addScaled(out + 32, c, ofRows ? v128.load32_splat(scales, 8) : v128.load(scales));
  addScaled(out + 48, d, ofRows ? v128.load32_splat(scales, 12) : v128.load(scales));
}

/** out [4] += sums · scale */
// @ts-ignore: decorator
@inline
export function addScaled(out: usize, sums: v128, scale: v128): void {
  v128.store(out, fma4(f32x4.convert_i32x4_s(sums), scale, v128.load(out)));
}

/** scores [4 cells][4] += 32 elements. cells i16[8][4][4], scales [4]; x i16[16][4][2]. */
// @ts-ignore: decorator
@inline
export function addScores(scores: usize, cells: usize, x: usize, scales: usize): void {
  addTile(scores, cells, cells + 8 * STEP, x, scales, true);
}

/** out [4 elements][4] += the values up to `end`, weighted. values i16[cells / 4][4][4]; weights i16[cells / 2][4][2], scales [4]. */
// @ts-ignore: decorator
@inline
export function addWeighted(out: usize, values: usize, end: usize, weights: usize, scales: usize): void {
  addTile(out, values, end, weights, scales, false);
}
