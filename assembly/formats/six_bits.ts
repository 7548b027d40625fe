import { f16 } from "../simd";

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit mins into 12 bytes: bytes 0-3 and 4-7 hold scales and mins 0-3 in their low six
// bits, bytes 8-11 hold the low nibbles of scales (low) and mins (high) 4-7, whose top two bits are the top bits of bytes 0-3 and 4-7.

/** Eight scales, one a byte. */
// @ts-ignore: decorator
@inline
export function sixBitScales(p: usize): u64 {
  const a = load<u32>(p), c = load<u32>(p, 8);
  return ((<u64>((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030))) << 32) | <u64>(a & 0x3f3f3f3f);
}

/** Eight mins as i16x8. */
// @ts-ignore: decorator
@inline
export function sixBitMins(p: usize): v128 {
  const b = load<u32>(p, 4), c = load<u32>(p, 8);
  const bytes = ((<u64>(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030))) << 32) | <u64>(b & 0x3f3f3f3f);
  return i16x8.extend_low_i8x16_u(i64x2.splat(<i64>bytes));
}

/** Scales, mins, d and dmin of a block (f16 d, f16 dmin, 12 bytes) -> strip of codes. Sub-blocks are 32 long, the strip's are 16. */
// @ts-ignore: decorator
@inline
export function putHeader(p: usize, scale: usize, m: usize, d: usize, dm: usize): void {
  const scales = i16x8.extend_low_i8x16_u(i64x2.splat(<i64>sixBitScales(p + 4))), mins = sixBitMins(p + 4);
  store<f32>(d, f16(p));
  store<f32>(dm, f16(p + 2));
  v128.store(scale, v128.shuffle<i16>(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3));
  v128.store(scale, v128.shuffle<i16>(scales, scales, 4, 4, 5, 5, 6, 6, 7, 7), 16);
  v128.store(m, v128.shuffle<i16>(mins, mins, 0, 0, 1, 1, 2, 2, 3, 3));
  v128.store(m, v128.shuffle<i16>(mins, mins, 4, 4, 5, 5, 6, 6, 7, 7), 16);
}

// The same for four rows: `scales`, `mins` and `top` are their bytes 0-3, 4-7 and 8-11, a row in each 32-bit lane.

/** Scales or mins 4..7, whose low nibbles are those of `nibbles`; 0..3 are the low six bits. `four` = splat(15), `six` = splat(0x3f), opaque. */
// @ts-ignore: decorator
@inline
export function highSix(nibbles: v128, v: v128, four: v128, six: v128): v128 {
  return v128.or(v128.and(nibbles, four), v128.andnot(v128.and(i16x8.shr_u(v, 2), six), four));
}
