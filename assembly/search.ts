// The largest of a row of floats, and where it stands: of experts, of logits, of a block that is to be rounded.

import { opaque } from "./simd";

/** The largest of n floats, -Infinity of none; NaN compares false and so never is. Four vectors, so that a comparison does not wait for the one before. */
export function largestOf(x: usize, n: u32): f32 {
  let a = f32x4.splat(-Infinity), b = a, c = a, d = a;
  const end = x + (<usize>n << 2), sixteens = x + (<usize>(n & ~15) << 2);
  for (; x < sixteens; x += 64) {
    a = f32x4.pmax(a, v128.load(x)); b = f32x4.pmax(b, v128.load(x, 16));
    c = f32x4.pmax(c, v128.load(x, 32)); d = f32x4.pmax(d, v128.load(x, 48));
  }
  for (; x < end; x += 4) a = f32x4.pmax(a, v128.load32_splat(x));
  return largestLane(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** The largest below a limit, -Infinity of none. */
export function largestBelow(limit: f32, x: usize, n: u32): f32 {
  const lowest = f32x4.splat(-Infinity), limits = f32x4.splat(limit);
  let a = lowest, b = a;
  const end = x + (<usize>n << 2), eights = x + (<usize>(n & ~7) << 2);
  for (; x < eights; x += 32) {
    const v = v128.load(x), w = v128.load(x, 16);
    a = f32x4.pmax(a, v128.bitselect(v, lowest, f32x4.lt(v, limits)));
    b = f32x4.pmax(b, v128.bitselect(w, lowest, f32x4.lt(w, limits)));
  }
  for (; x < end; x += 4) {
    const v = v128.load32_splat(x);
    a = f32x4.pmax(a, v128.bitselect(v, lowest, f32x4.lt(v, limits)));
  }
  return largestLane(f32x4.pmax(a, b));
}

/**
 * max |x| of n floats, a multiple of 8. Magnitudes compare as their bits do, NaN above all: i32x4.max_s is one instruction where f32x4.max is
 * eight.
 */
export function largestMagnitude(x: usize, n: u32): f32 {
  const magnitude = opaque(i32x4.splat(0x7fffffff), n);
  let a = i32x4.splat(0), b = a;
  for (const end = x + (<usize>n << 2); x < end; x += 32) {
    a = i32x4.max_s(a, v128.and(v128.load(x), magnitude));
    b = i32x4.max_s(b, v128.and(v128.load(x, 16), magnitude));
  }
  a = i32x4.max_s(a, b);
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  return f32x4.extract_lane(a, 0);
}

/** The first i from `from` on with x[i] = value, n if there is none. */
export function indexOf(value: f32, x: usize, from: u32, n: u32): u32 {
  const wanted = f32x4.splat(value);
  let i = from;
  for (; i + 16 <= n; i += 16) {
    const p = x + (<usize>i << 2), ab = v128.or(f32x4.eq(v128.load(p), wanted), f32x4.eq(v128.load(p, 16), wanted));
    if (v128.any_true(v128.or(ab, v128.or(f32x4.eq(v128.load(p, 32), wanted), f32x4.eq(v128.load(p, 48), wanted))))) break;
  }
  while (i < n && load<f32>(x + (<usize>i << 2)) != value) i++;
  return i;
}

// @ts-ignore: decorator
@inline
function largestLane(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0);
}
