import { ROUND, fma4, hsum } from "./simd";

/** Of expNeg4, in the order of its parameters: ±87, -log2 e, 1.5 · 2^23 + 127, -ln 2 in two parts, so that n * high is exact, the polynomial, 1. */
const CONSTANTS: usize = memory.data<f32>([
  87.0, -87.0, -1.44269504, 12583039.0, -0.693359375, 2.12194440e-4,
  1.9875691e-4, -1.3981999e-3, 8.3334519e-3, -4.1665796e-2, 1.6666665e-1, -0.5, 1.0,
]);

/**
 * Constant i, from memory: for a loop to have in registers. As constants in the code, V8 makes each anew in every turn, by two or three steps on
 * the ports that the products need, in Node 26: x · silu(z) took twice as long.
 */
@inline
export function constant(i: usize): v128 {
  return v128.load32_splat(CONSTANTS + (i << 2));
}

/**
 * e^-x in four lanes, relative error below 2e-7: -x = n ln 2 - r with |r| <= ln 2 / 2, a polynomial in r, n added to the exponent.
 * Clamped to ±87: beyond it a float32 softmax, sigmoid or decay is 0, 1 or infinite anyway. Adding 1.5 · 2^23 rounds to a whole number and
 * leaves it in the low bits: cheaper than nearest and a saturating conversion, as pmin and pmax are than min and max.
 */
@inline
export function expNeg4(x: v128, highest: v128, lowest: v128, log2e: v128, round: v128, ln2High: v128, ln2Low: v128, p5: v128, p4: v128, p3: v128, p2: v128, p1: v128, p0: v128, one: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(x, highest), lowest), whole = f32x4.add(f32x4.mul(clamped, log2e), round);
  const n = f32x4.sub(whole, round), r = f32x4.sub(f32x4.sub(clamped, f32x4.mul(n, ln2High)), f32x4.mul(n, ln2Low));
  const p = fma4(fma4(fma4(fma4(fma4(p5, r, p4), r, p3), r, p2), r, p1), r, p0);
  return f32x4.mul(f32x4.sub(one, fma4(p, f32x4.mul(r, r), r)), i32x4.shl(whole, 23)); // the low nine bits of `whole` are n + 127
}

/** e^x of one number: the same bits as in a lane of expNeg4. */
export function exp1(x: f32): f32 {
  const a = constant(0), b = constant(1), c = constant(2), d = constant(3), e = constant(4), f = constant(5);
  const g = constant(6), h = constant(7), i = constant(8), j = constant(9), k = constant(10), l = constant(11), one = constant(12);
  return f32x4.extract_lane(expNeg4(f32x4.splat(-x), a, b, c, d, e, f, g, h, i, j, k, l, one), 0);
}

/** 1 / (1 + e^-x) of one number, as in gates.ts. */
export function sigmoid1(x: f32): f32 {
  return <f32>1.0 / (<f32>1.0 + exp1(-x));
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
