// Integers of attention by dot-adds. Queries and weights are i16, which are two bytes, 256 · high + low, so 16 products with int8 take two
// instructions; by i16 they take four, and the cells are widened besides. An i16 is two bytes of the kind that the machine takes (../dots.ts), if
// not too large.
//
// A quad, 32 numbers of each query, in bytes: u8[8][high, low][4][4].

import { Bytes, dotBytes } from "../dots";
import { rdot32 } from "../simd";

/** The largest i16 whose high byte is one when its low byte is from -128 to 127. */
// @ts-ignore: decorator
@inline
export const LARGEST: f32 = 32639;

/** What to add to an i16 for its high byte: unsigned ones are 128 too large, signed ones make up for low bytes that count as negative. */
// @ts-ignore: decorator
@inline
export function carryOf(n: u32): v128 {
  return i16x8.splat(dotBytes(n) == Bytes.Unsigned ? 128 << 8 : 128);
}

/** Bytes of a quad's block. */
// @ts-ignore: decorator
@inline
export const QUAD_BYTES: usize = 256;

/** What high bytes of carryOf add to the sums of four rows, i8[8][8][4], negated. */
// @ts-ignore: decorator
@inline
export function excessOf(rows: usize, n: u32): v128 {
  const excess = i8x16.splat(dotBytes(n) == Bytes.Unsigned ? -128 : 0);
  return i32x4.neg(i32x4.add(sumOf(rows, excess), sumOf(rows + 128, excess)));
}

/** Four steps of four rows, times w. */
// @ts-ignore: decorator
@inline
function sumOf(rows: usize, w: v128): v128 {
  const half = rdot32(v128.load(rows, 32), w, rdot32(v128.load(rows), w, i32x4.splat(0)));
  return rdot32(v128.load(rows, 96), w, rdot32(v128.load(rows, 64), w, half));
}
