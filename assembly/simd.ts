// Small steps that every kernel is written in. ASC_FEATURE_RELAXED_SIMD folds at compile time: two builds, one source.

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

/** Sum of four f32 lanes. */
// @ts-ignore: decorator
@inline
export function hsum(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Sum of four i32 lanes. */
// @ts-ignore: decorator
@inline
export function hsumInt(v: v128): i32 {
  return (i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1)) + (i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3));
}

/** 2^112: an f16's bits, moved to an f32's places, read 2^112 too small (the exponents' biases are 15 and 127). Subnormals come out right. */
// @ts-ignore: decorator
@inline
export function two112(): f32 {
  return reinterpret<f32>(0x77800000);
}

/** f16 -> f32, exact for every finite value: block scales. */
// @ts-ignore: decorator
@inline
export function f16(p: usize): f32 {
  return reinterpret<f32>((<i32>load<i16>(p) << 13) & 0x8fffe000) * two112();
}

/** Four f16 -> four f32, exact for every finite value. `mask` = splat(0x8fffe000), opaque; `scale` = splat(two112()). */
// @ts-ignore: decorator
@inline
export function f16x4(p: usize, mask: v128, scale: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask), scale);
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
