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
