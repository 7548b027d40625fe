// Integers of attention by dot-adds (rdot32 of simd.ts). Queries and weights are i16, which are two bytes, 256 · high + low, so 16 products with
// int8 take two instructions; by i16 they take four, and the cells are widened besides.
//
// The standard defines bytes of the second operand up to 127 only and leaves to the machine, once and for all, how it takes others: AVX-VNNI as
// 128 and more, ARM as negative. An i16 is two bytes of either kind, if not too large. Other machines let sums of two products saturate and need
// five instructions for a dot-add: there products of i16 are faster.
//
// A quad, 32 numbers of each query, in bytes: u8[8][high, low][4][4].

import { opaque, rdot32 } from "../simd";

/** How this machine's dot-add takes bytes above 127. */
export const enum Bytes {
  Unusable,
  Unsigned,
  Signed,
}

// @ts-ignore: decorator
@inline
const UNSIGNED: i32 = 4 * 127 * 255;
// @ts-ignore: decorator
@inline
const SIGNED: i32 = 4 * 127 * -1;

/** n: any count below 2^31. */
// @ts-ignore: decorator
@inline
export function dotBytes(n: u32): Bytes {
  if (!ASC_FEATURE_RELAXED_SIMD) return Bytes.Unusable;
  const sum = i32x4.extract_lane(rdot32(i8x16.splat(127), opaque(i8x16.splat(-1), n), i32x4.splat(0)), 0);
  return sum == UNSIGNED ? Bytes.Unsigned : sum == SIGNED ? Bytes.Signed : Bytes.Unusable;
}

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
