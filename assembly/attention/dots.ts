// Attention's integers by dot-adds (simd.ts, rdot32): an i16 is two bytes, so 16 products take two instructions, where the i16 way takes four and
// widens the cells. The standard defines bytes of the second operand up to 127 only and leaves it to the machine, once and for all, how larger
// ones are taken: by AVX-VNNI as up to 255, by ARM and AVX-VNNI-INT8 as negative. Both ways hold 16 bits, to the same sums. A machine that has
// none of these saturates sums of two products and takes five instructions for a dot-add: the i16 way is faster there.

import { opaque, rdot32 } from "../simd";

export const enum Bytes {
  /** No dot-adds of whole bytes. */
  None,
  Unsigned,
  Signed,
}

/** How this machine's dot-add takes the bytes of its second operand. n: any count below 2^31. */
// @ts-ignore: decorator
@inline
export function dotBytes(n: u32): Bytes {
  if (!ASC_FEATURE_RELAXED_SIMD) return Bytes.None;
  const sum = i32x4.extract_lane(rdot32(i8x16.splat(127), opaque(i8x16.splat(-1), n), i32x4.splat(0)), 0);
  return sum == 4 * 127 * 255 ? Bytes.Unsigned : sum == -4 * 127 ? Bytes.Signed : Bytes.None;
}

/** The largest i16 whose two bytes, the low one from -128 to 127, are bytes. */
// @ts-ignore: decorator
@inline
export const LARGEST: f32 = 32639;

/** The high bytes of eight i16. `carry`: 128 where a low byte counts as negative from 128 on. */
// @ts-ignore: decorator
@inline
export function highBytes(x: v128, carry: v128): v128 {
  return i16x8.shr_u(i16x8.add(x, carry), 8);
}
