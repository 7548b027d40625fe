// Vectors that the loops of attention read from memory. As constants in the code, V8 makes each anew where it is used, by two or three steps on
// the ports that the products need: exponentials took a tenth of attention's time.

import { ROUND, f16Bits, fma4 } from "../simd";

// @ts-ignore: decorator
@inline
export const CONSTANTS_BYTES: usize = 256;
// @ts-ignore: decorator
@inline
export const F16_BITS: usize = 0;
/** Where a kernel leaves what it read only to have it fetched: else the compiler drops the reads. */
// @ts-ignore: decorator
@inline
export const TOUCHED: usize = 16;
// @ts-ignore: decorator
@inline
const LOWEST: usize = 32;
// @ts-ignore: decorator
@inline
const ONE: usize = 48;
// @ts-ignore: decorator
@inline
const FACTOR: usize = 64;
/** 1 / factor. */
// @ts-ignore: decorator
@inline
export const INVERSE: usize = 80;
// @ts-ignore: decorator
@inline
const POLYNOMIAL: usize = 96;

/** `factor`: a power of two, by which scaledExp2x4 multiplies. */
export function storeConstants(to: usize, factor: f32): void {
  v128.store(to + F16_BITS, f16Bits());
  v128.store(to + LOWEST, f32x4.splat(-125.0));
  v128.store(to + ONE, f32x4.splat(ROUND + 127));
  v128.store(to + FACTOR, f32x4.splat(ROUND + <f32>(reinterpret<u32>(factor) >> 23)));
  v128.store(to + INVERSE, f32x4.splat(<f32>1.0 / factor));
  // 2^r for |r| <= 1/2, relative error below 2e-7: Cephes' exp2f
  v128.store(to + POLYNOMIAL, f32x4.splat(1.535336188e-4));
  v128.store(to + POLYNOMIAL, f32x4.splat(1.339887440e-3), 16);
  v128.store(to + POLYNOMIAL, f32x4.splat(9.618437357e-3), 32);
  v128.store(to + POLYNOMIAL, f32x4.splat(5.550332471e-2), 48);
  v128.store(to + POLYNOMIAL, f32x4.splat(2.402264791e-1), 64);
  v128.store(to + POLYNOMIAL, f32x4.splat(6.931472028e-1), 80);
  v128.store(to + POLYNOMIAL, f32x4.splat(1.0), 96);
}

/** 2^x in four lanes, x <= 0, from -125 on as of -125. */
// @ts-ignore: decorator
@inline
export function exp2x4(x: v128, constants: usize): v128 {
  return power(x, v128.load(constants, ONE), constants);
}

/** The same times the factor. */
// @ts-ignore: decorator
@inline
export function scaledExp2x4(x: v128, constants: usize): v128 {
  return power(x, v128.load(constants, FACTOR), constants);
}

/** `bias`: a number so large that adding it rounds x to a whole one, and leaves the exponent's bits of the result lowest. */
// @ts-ignore: decorator
@inline
function power(x: v128, bias: v128, constants: usize): v128 {
  const p = constants + POLYNOMIAL;
  const y = f32x4.pmax(x, v128.load(constants, LOWEST)), whole = f32x4.add(y, bias);
  const r = f32x4.sub(y, f32x4.sub(whole, bias));
  let e = fma4(v128.load(p), r, v128.load(p, 16));
  e = fma4(e, r, v128.load(p, 32));
  e = fma4(e, r, v128.load(p, 48));
  e = fma4(e, r, v128.load(p, 64));
  e = fma4(e, r, v128.load(p, 80));
  e = fma4(e, r, v128.load(p, 96));
  return f32x4.mul(e, i32x4.shl(whole, 23));
}
