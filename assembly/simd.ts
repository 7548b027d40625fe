// Small steps that every kernel is written in. ASC_FEATURE_RELAXED_SIMD folds at compile time: two builds, one source.

/** 1.5 · 2^23: a float below 2^22 added to it is rounded to a whole number, to even at ties, which its low bits then hold. */
// @ts-ignore: decorator
@inline
export const ROUND: f32 = 12582912;

/** a·b + c on four lanes: rounded once with relaxed SIMD on machines that have FMA, else twice. */
// @ts-ignore: decorator
@inline
export function fma4(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  else return f32x4.add(f32x4.mul(a, b), c);
}

/** c + the products of eight pairs of i16, summed by twos. */
// @ts-ignore: decorator
@inline
export function mac(a: v128, b: v128, c: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(a, b), c);
}

/**
 * Products of 16 pairs of int8, summed by twos into i16. Defined by the standard only while `w` is in 0..127: outside, results
 * differ between machines. Relaxed build only: the caller keeps the other branch of ASC_FEATURE_RELAXED_SIMD apart.
 */
// @ts-ignore: decorator
@inline
export function rdot16(x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_dot<i16>(x, w); // asc declares i16x8.relaxed_dot_i8x16_i7x16_s with 3 operands; it takes 2
  else return i16x8.splat(0);
}

/** c + the products of 16 pairs of int8, summed by fours into i32: `w` and the build as in rdot16. */
// @ts-ignore: decorator
@inline
export function rdot32(x: v128, w: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, c);
  else return c;
}

/** Sum of four f32 lanes. */
// @ts-ignore: decorator
@inline
export function hsum(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The sums of four vectors, a lane each. */
// @ts-ignore: decorator
@inline
export function sumsOfFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** The i32 sums of four vectors, a lane each. */
// @ts-ignore: decorator
@inline
export function totals(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** Sum of four i32 lanes, in every lane: a block's sum, on its way to one float step that matvec and tile do alike (see matmul/gemm.ts). */
// @ts-ignore: decorator
@inline
export function total(v: v128): v128 {
  const s = i32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return i32x4.add(s, v128.shuffle<i32>(s, s, 1, 0, 3, 2));
}

// f16 -> f32 by moving the bits to an f32's places and adding the difference of the exponents' biases, 112. A subnormal then lacks its true
// exponent and has a leading one too many: it is put one exponent higher and the one, 2^-14, taken off. Multiplying the moved bits by 2^112
// would do for both, but reads a subnormal f32 where the f16 is one. K-quants' d mostly is, and Intel CPUs take 150 cycles over it:
// Q8_0 fell from 14 to 0.7 GB/s, Q4_K from 11 to 1.4.

// @ts-ignore: decorator
@inline
const REBIAS: u32 = 112 << 23;
// @ts-ignore: decorator
@inline
const LEAST_NORMAL: u32 = 113 << 23; // 2^-14 as an f32's bits

/** f16 -> f32, exact for every finite value: block scales. */
// @ts-ignore: decorator
@inline
export function f16(p: usize): f32 {
  const h = <u32>load<u16>(p), m = (h & 0x7fff) << 13;
  const subnormal = reinterpret<u32>(reinterpret<f32>(m + LEAST_NORMAL) - reinterpret<f32>(LEAST_NORMAL));
  return reinterpret<f32>(select(m + REBIAS, subnormal, m >= 1 << 23) | ((h & 0x8000) << 16));
}

/**
 * The same for four f16, each in the high half of a 32-bit lane. `bits` = f16Bits() and `rebias` = f16Rebias(), opaque in loops. A subnormal's
 * leading one is what its own sign and exponent alone mean, so clearing the mantissa gives what is to be taken off.
 */
// @ts-ignore: decorator
@inline
export function f16x4(h: v128, bits: v128, rebias: v128): v128 {
  const m = v128.and(i32x4.shr_s(h, 3), bits), subnormal = i32x4.eq(i32x4.shr_u(i32x4.shl(m, 1), 24), i32x4.splat(0));
  const value = i32x4.sub(i32x4.add(m, rebias), i32x4.shl(subnormal, 23)); // - (-1 << 23): one exponent higher
  return f32x4.sub(value, v128.and(subnormal, i32x4.shl(i32x4.shr_u(value, 23), 23)));
}
/** The f16 at four addresses, as f16x4 takes them. */
// @ts-ignore: decorator
@inline
export function f16Halves(a: usize, b: usize, c: usize, d: usize): v128 {
  const low = v128.load16_lane(b, v128.load16_lane(a, i32x4.splat(0), 1), 3);
  return v128.load16_lane(d, v128.load16_lane(c, low, 5), 7);
}
/** Four f16 that are zero nowhere and subnormal nowhere: three steps instead of ten. */
// @ts-ignore: decorator
@inline
export function normalF16x4(h: v128, bits: v128, rebias: v128): v128 {
  return i32x4.add(v128.and(i32x4.shr_s(h, 3), bits), rebias);
}
/** Whether any of the sixteen f16 at p is zero or subnormal. */
// @ts-ignore: decorator
@inline
export function anySubnormal16(p: usize, exponent: v128): bool {
  const z = i16x8.splat(0), a = i16x8.eq(v128.and(v128.load(p), exponent), z), b = i16x8.eq(v128.and(v128.load(p, 16), exponent), z);
  return v128.any_true(v128.or(a, b));
}
// @ts-ignore: decorator
@inline
export function f16Bits(): v128 {
  return i32x4.splat(0x8fffe000);
}
// @ts-ignore: decorator
@inline
export function f16Rebias(): v128 {
  return i32x4.splat(REBIAS);
}

/**
 * f16 by a branch: for formats with a scale every 32 weights, which is subnormal seldom. Without a branch the conversion costs Q8_0 a quarter
 * of its speed (14 to 10.5 GB/s); widening a row's scales four at a time before its loop, a sixth; putting the rare case behind the sum, as
 * much as this, a tenth.
 */
// @ts-ignore: decorator
@inline
export function f16Likely(p: usize): f32 {
  const h = <i32>load<i16>(p);
  if ((h & 0x7c00) == 0) return f16(p);
  return reinterpret<f32>(((h << 13) & 0x8fffe000) + REBIAS);
}

/**
 * A constant the optimiser cannot see through: binaryen copies a plain v128.const into every use inside a loop, and V8 then builds
 * it anew there (Q4_K matvec: 9.8 GB/s against 14.8). `n` is any count below 2^31.
 */
// @ts-ignore: decorator
@inline
export function opaque(value: v128, n: u32): v128 {
  return v128.or(value, i32x4.splat(<i32>n >> 31));
}

// @ts-ignore: decorator
@inline
export function align16(bytes: usize): usize {
  return (bytes + 15) & ~(<usize>15);
}
