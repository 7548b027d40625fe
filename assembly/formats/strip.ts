// The canonical form that every integer format unpacks to. A strip is up to 1024 weights of one row, blocks of B = 32 or 256:
//   w[i] = d[i / B] · q[i] - dm[i / B] · m[i / 16]
// q holds scale · code: the integer scales of sub-blocks are multiplied in, which fits i16 for every format (Q6_K: 128 · 32) and lets
// a dot product run over a whole block in i32 (256 · 4096 · 127 < 2^31) with one float multiply at its end.
// All products with d and dm are exact in f32 (f16 has 11 bits, scale · code at most 13), so get_rows through a strip equals the
// reference bit for bit.

// @ts-ignore: decorator
@inline
export const STRIP: u32 = 1024;
/** Where the parts of a strip start: i16 q[1024], i16 m[64], f32 d[32], f32 dm[32]. */
// @ts-ignore: decorator
@inline
export const STRIP_M: usize = 2048;
// @ts-ignore: decorator
@inline
export const STRIP_D: usize = 2176;
// @ts-ignore: decorator
@inline
export const STRIP_DM: usize = 2304;
// @ts-ignore: decorator
@inline
export const STRIP_BYTES: usize = 2432;

/** Sixteen int8 codes -> q, times a scale. */
// @ts-ignore: decorator
@inline
export function put16(q: usize, codes: v128, scale: v128): void {
  v128.store(q, i16x8.mul(i16x8.extend_low_i8x16_s(codes), scale));
  v128.store(q, i16x8.mul(i16x8.extend_high_i8x16_s(codes), scale), 16);
}

// Relaxed build only, for formats whose codes fit relaxed dots (0..31; see table.codeSteps), a second form:
//   w[i] = d[i / B] · scale[i / 16] · code[i] - dm[i / B] · m[i / 16]
// An offset is a min here, m = -scale · zero, that counts with d instead of -dm. u8 code[1024] and i16 scale[64] take the place of q; m, d and dm stay where they are.
// @ts-ignore: decorator
@inline
export const STRIP_SCALE: usize = 1024;
