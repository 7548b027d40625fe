import { ROUND, fma4, hsum } from "./simd";

/**
 * e^x in four lanes, relative error below 2e-7: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, n added to the exponent.
 * Clamped to ±87: beyond it a float32 softmax, sigmoid or decay is 0, 1 or infinite anyway. Adding 1.5 · 2^23 rounds to a whole number and
 * leaves it in the low bits: cheaper than nearest and a saturating conversion, as pmin and pmax are than min and max.
 */
@inline
export function exp4(x: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(x, f32x4.splat(87.0)), f32x4.splat(-87.0));
  const whole = f32x4.add(f32x4.mul(clamped, f32x4.splat(1.44269504)), f32x4.splat(ROUND + 127));
  const n = f32x4.sub(whole, f32x4.splat(ROUND + 127));
  // ln 2 in two parts, so that n * high is exact
  let r = f32x4.sub(clamped, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = fma4(f32x4.splat(1.9875691e-4), r, f32x4.splat(1.3981999e-3));
  p = fma4(p, r, f32x4.splat(8.3334519e-3));
  p = fma4(p, r, f32x4.splat(4.1665796e-2));
  p = fma4(p, r, f32x4.splat(1.6666665e-1));
  p = fma4(p, r, f32x4.splat(0.5));
  p = f32x4.add(fma4(p, f32x4.mul(r, r), r), f32x4.splat(1.0));
  return f32x4.mul(p, i32x4.shl(whole, 23)); // the low nine bits of `whole` are n + 127
}

/** 1 / (1 + e^-x) in four lanes. */
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(f32x4.splat(1.0), f32x4.add(f32x4.splat(1.0), exp4(f32x4.neg(x))));
}

/** x / (1 + e^-x) in four lanes. */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1.0), exp4(f32x4.neg(x))));
}

/** e^x of one number, by the same polynomial: results must not depend on whether a lane or a tail made them. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

@inline
export function sigmoid1(x: f32): f32 {
  return f32x4.extract_lane(sigmoid4(f32x4.splat(x)), 0);
}

@inline
export function silu1(x: f32): f32 {
  return f32x4.extract_lane(silu4(f32x4.splat(x)), 0);
}

/** Σ x² of n floats. Four sums do not wait for each other, and err less than one. */
@inline
export function sumOfSquares(x: usize, n: u32): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const end = x + (<usize>n << 2), sixteens = x + (<usize>(n & ~15) << 2), fours = x + (<usize>(n & ~3) << 2);
  for (; x < sixteens; x += 64) {
    const v0 = v128.load(x), v1 = v128.load(x, 16), v2 = v128.load(x, 32), v3 = v128.load(x, 48);
    a = fma4(v0, v0, a); b = fma4(v1, v1, b); c = fma4(v2, v2, c); d = fma4(v3, v3, d);
  }
  for (; x < fours; x += 16) {
    const v = v128.load(x);
    a = fma4(v, v, a);
  }
  let sum = hsum(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; x < end; x += 4) sum += load<f32>(x) * load<f32>(x);
  return sum;
}
