// Q5_0 and Q5_1 keep the fifth bits of their 32 codes in four bytes.

/** Byte i of the result reads byte i / 8 of the bits; for elements 16..31 the bytes are shifted in first. */
// @ts-ignore: decorator
@inline
export function fifthBitBytes(): v128 {
  return i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
}
// @ts-ignore: decorator
@inline
export function fifthBitMasks(): v128 {
  return i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
}

/** 16 where the bit is set, else 0: from 16 bits at p. `bytes` and `masks` are the two tables, opaque. */
// @ts-ignore: decorator
@inline
export function fifthBits(p: usize, bytes: v128, masks: v128): v128 {
  const set = i8x16.eq(v128.and(i8x16.swizzle(v128.load16_splat(p), bytes), masks), masks);
  return v128.and(set, i8x16.splat(16));
}
