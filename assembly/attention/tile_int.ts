// The products of a q8_0 cache: four rows of cells' int8 by a quad of queries' i16, a lane for each query. Scores and values take the same tile:
//   scores: rows are cells, a step is four elements of each; scales lie with the rows
//   values: rows are elements, a step is four cells; scales lie with the queries (values.ts says how)
// Four rows, as two pairs each and two vectors of queries leave room for no more sums in 16 registers.

import { fma4, mac } from "../simd";

/** Bytes of a step: rows i16[4][4], or i16[2][4][2] where `pairs` of elements go before rows; queries i16[2][4][2]. */
// @ts-ignore: decorator
@inline
export const STEP: usize = 32;

/**
 * out [4 rows][4] += rows · x, times `scales`: of the rows, f32 [4], or of the queries.
 */
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
  const s = v128.load(scales);
  v128.store(out, fma4(f32x4.convert_i32x4_s(a), ofRows ? v128.load32_splat(scales) : s, v128.load(out)));
  v128.store(out, fma4(f32x4.convert_i32x4_s(b), ofRows ? v128.load32_splat(scales, 4) : s, v128.load(out, 16)), 16);
  v128.store(out, fma4(f32x4.convert_i32x4_s(c), ofRows ? v128.load32_splat(scales, 8) : s, v128.load(out, 32)), 32);
  v128.store(out, fma4(f32x4.convert_i32x4_s(d), ofRows ? v128.load32_splat(scales, 12) : s, v128.load(out, 48)), 48);
}

/** scores [4 cells][4] += 32 elements. cells i16[8][4][4], scales [4]; x i16[16][4][2]. */
// @ts-ignore: decorator
@inline
export function addScores(scores: usize, cells: usize, x: usize, scales: usize): void {
  addTile(scores, cells, cells + 8 * STEP, x, scales, true);
}

/** out [4 elements][4] += values of the cells up to `end`. values i16[cells / 2][4][2]; weights i16[cells / 2][4][2], scales of the queries [4]. */
// @ts-ignore: decorator
@inline
export function addWeighted(out: usize, values: usize, end: usize, weights: usize, scales: usize): void {
  addTile(out, values, end, weights, scales, false);
}
