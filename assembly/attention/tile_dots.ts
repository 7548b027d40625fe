// The products of q8_0 cells with quads by dot-adds (dots.ts): eight rows of int8 side by side, a quad in bytes, a step of four at a time.
//   scores: a row is a cell, a step four of its elements; scales lie with the rows
//   values: a row is an element, a step four cells; scales lie with the queries
// The sums are those of tile_q8_0.ts, whole numbers, and so are the float steps.

import { rdot32 } from "../simd";
import { addScaled } from "./tile_q8_0";

/** Bytes of eight steps: rows i8[8][8][4], a quad u8[8][high, low][4][4]. */
// @ts-ignore: decorator
@inline
const STEPS: usize = 256;

/** out [4][8 rows] += (first [8] · 256 + quad · rows) times `scales`: of the rows [8], or else of the queries [4]. */
// @ts-ignore: decorator
@inline
export function dotEight(out: usize, rows: usize, x: usize, first: v128, second: v128, scales: usize, ofRows: bool): void {
  let a0 = first, a1 = second, b0 = first, b1 = second, c0 = first, c1 = second, d0 = first, d1 = second;
  for (const end = x + STEPS; x < end; x += 32, rows += 32) {
    const u = v128.load(rows), v = v128.load(rows, 16);
    let w = v128.load32_splat(x);
    a0 = rdot32(u, w, a0); a1 = rdot32(v, w, a1);
    w = v128.load32_splat(x, 4);
    b0 = rdot32(u, w, b0); b1 = rdot32(v, w, b1);
    w = v128.load32_splat(x, 8);
    c0 = rdot32(u, w, c0); c1 = rdot32(v, w, c1);
    w = v128.load32_splat(x, 12);
    d0 = rdot32(u, w, d0); d1 = rdot32(v, w, d1);
  }
  const z = i32x4.splat(0);
  let e0 = z, e1 = z, f0 = z, f1 = z, g0 = z, g1 = z, h0 = z, h1 = z;
  rows -= STEPS;
  x -= STEPS;
  for (const end = x + STEPS; x < end; x += 32, rows += 32) {
    const u = v128.load(rows), v = v128.load(rows, 16);
    let w = v128.load32_splat(x, 16);
    e0 = rdot32(u, w, e0); e1 = rdot32(v, w, e1);
    w = v128.load32_splat(x, 20);
    f0 = rdot32(u, w, f0); f1 = rdot32(v, w, f1);
    w = v128.load32_splat(x, 24);
    g0 = rdot32(u, w, g0); g1 = rdot32(v, w, g1);
    w = v128.load32_splat(x, 28);
    h0 = rdot32(u, w, h0); h1 = rdot32(v, w, h1);
  }
  a0 = i32x4.add(i32x4.shl(a0, 8), e0); a1 = i32x4.add(i32x4.shl(a1, 8), e1);
  b0 = i32x4.add(i32x4.shl(b0, 8), f0); b1 = i32x4.add(i32x4.shl(b1, 8), f1);
  c0 = i32x4.add(i32x4.shl(c0, 8), g0); c1 = i32x4.add(i32x4.shl(c1, 8), g1);
  d0 = i32x4.add(i32x4.shl(d0, 8), h0); d1 = i32x4.add(i32x4.shl(d1, 8), h1);
  addPair(out, a0, a1, scales, ofRows);
  addPair(out + 32, b0, b1, ofRows ? scales : scales + 4, ofRows);
  addPair(out + 64, c0, c1, ofRows ? scales : scales + 8, ofRows);
  addPair(out + 96, d0, d1, ofRows ? scales : scales + 12, ofRows);
}

/** out [8] += sums · scales [8], or the one scale there. */
// @ts-ignore: decorator
@inline
function addPair(out: usize, a: v128, b: v128, scales: usize, ofRows: bool): void {
  addScaled(out, a, ofRows ? v128.load(scales) : v128.load32_splat(scales));
  addScaled(out + 16, b, ofRows ? v128.load(scales, 16) : v128.load32_splat(scales));
}
