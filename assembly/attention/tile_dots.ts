// The products of q8_0 cells with quads by dot-adds (two_bytes.ts): eight rows of int8 side by side, a quad in bytes, a step of four at a time.
//   scores: a row is a cell, a step four of its elements; scales lie with the rows
//   values: a row is an element, a step four cells; scales lie with the queries
// The whole numbers are those of tile_q8_0.ts, and so are the float steps.
//
// A dot-add takes 5 cycles, and two begin in each: eight sums are too few for that, and registers for twelve are lacking. That sums of high and
// of low bytes do not wait for each other makes up for some of it: 26.9 -> 29.0 G products a second in prefill.

import { rdot32 } from "../simd";
import { QUAD_BYTES } from "./two_bytes";
import { addScaled } from "./tile_q8_0";

/** out [4][8 rows] += (256 · high [8 rows] + quad · rows) times `scales`: of the rows [8], or else of the queries [4]. rows i8[8][8][4]. */
// @ts-ignore: decorator
@inline
export function dotEight(out: usize, rows: usize, quad: usize, high: v128, high4: v128, scales: usize, ofRows: bool): void {
  let a0 = high, a1 = high4, b0 = high, b1 = high4, c0 = high, c1 = high4, d0 = high, d1 = high4;
  for (const end = quad + QUAD_BYTES; quad < end; quad += 32, rows += 32) {
    const u = v128.load(rows), v = v128.load(rows, 16);
    let x = v128.load32_splat(quad);
    a0 = rdot32(u, x, a0); a1 = rdot32(v, x, a1);
    x = v128.load32_splat(quad, 4);
    b0 = rdot32(u, x, b0); b1 = rdot32(v, x, b1);
    x = v128.load32_splat(quad, 8);
    c0 = rdot32(u, x, c0); c1 = rdot32(v, x, c1);
    x = v128.load32_splat(quad, 12);
    d0 = rdot32(u, x, d0); d1 = rdot32(v, x, d1);
  }
  quad -= QUAD_BYTES; rows -= QUAD_BYTES;
  const z = i32x4.splat(0);
  let e0 = z, e1 = z, f0 = z, f1 = z, g0 = z, g1 = z, h0 = z, h1 = z;
  for (const end = quad + QUAD_BYTES; quad < end; quad += 32, rows += 32) {
    const u = v128.load(rows), v = v128.load(rows, 16);
    let x = v128.load32_splat(quad, 16);
    e0 = rdot32(u, x, e0); e1 = rdot32(v, x, e1);
    x = v128.load32_splat(quad, 20);
    f0 = rdot32(u, x, f0); f1 = rdot32(v, x, f1);
    x = v128.load32_splat(quad, 24);
    g0 = rdot32(u, x, g0); g1 = rdot32(v, x, g1);
    x = v128.load32_splat(quad, 28);
    h0 = rdot32(u, x, h0); h1 = rdot32(v, x, h1);
  }
  addBytes(out, a0, e0, ofRows ? v128.load(scales) : v128.load32_splat(scales));
  addBytes(out + 16, a1, e1, ofRows ? v128.load(scales, 16) : v128.load32_splat(scales));
  addBytes(out + 32, b0, f0, ofRows ? v128.load(scales) : v128.load32_splat(scales, 4));
  addBytes(out + 48, b1, f1, ofRows ? v128.load(scales, 16) : v128.load32_splat(scales, 4));
  addBytes(out + 64, c0, g0, ofRows ? v128.load(scales) : v128.load32_splat(scales, 8));
  addBytes(out + 80, c1, g1, ofRows ? v128.load(scales, 16) : v128.load32_splat(scales, 8));
  addBytes(out + 96, d0, h0, ofRows ? v128.load(scales) : v128.load32_splat(scales, 12));
  addBytes(out + 112, d1, h1, ofRows ? v128.load(scales, 16) : v128.load32_splat(scales, 12));
}

/** out [4] += (256 · high + low) · scale */
// @ts-ignore: decorator
@inline
function addBytes(out: usize, high: v128, low: v128, scale: v128): void {
  addScaled(out, i32x4.add(i32x4.shl(high, 8), low), scale);
}
