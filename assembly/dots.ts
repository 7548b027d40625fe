// What this machine makes of a dot-add (rdot32 of simd.ts). The standard defines bytes of the second operand up to 127 only and leaves to the
// machine, once and for all, how it takes others: AVX-VNNI as 128 and more, ARM as negative. Either has an instruction for a dot-add. Other
// machines let sums of two products saturate and need five: there the ways that do with products of pairs are faster.

import { opaque, rdot32 } from "./simd";

/** How this machine's dot-add takes bytes above 127; Unusable too where it is slow, and without relaxed SIMD. */
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
