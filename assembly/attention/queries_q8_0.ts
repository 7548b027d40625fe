// Queries over q8_0 keys are rounded to i16, a scale for each. Of a quad, then f32 scale[4]:
//   Woven  i16[D/2][4][2]
//   Rows   i16[D/8][4][8]
//   Bytes  u8[D/4][high, low][4][4], for two_bytes.ts; unsigned high bytes are 128 too large

import { weave4 } from "../matmul/weave";
import { ROUND } from "../simd";
import { LARGEST, carryOf } from "./two_bytes";

export const enum Layout {
  Woven,
  Rows,
  Bytes,
}

/** Four queries of D floats, times `factor` -> i16 and scales. */
export function roundQuad(to: usize, a: usize, b: usize, c: usize, d: usize, D: u32, factor: f32, layout: Layout): void {
  const tops = f32x4(topOf(a, D), topOf(b, D), topOf(c, D), topOf(d, D)), bytes = <usize>D << 2;
  v128.store(to + (<usize>D << 3), f32x4.mul(tops, f32x4.splat(factor / LARGEST)));
  const by = v128.and(f32x4.div(f32x4.splat(LARGEST), tops), f32x4.gt(tops, f32x4.splat(0)));
  const p = f32x4.splat(f32x4.extract_lane(by, 0)), q = f32x4.splat(f32x4.extract_lane(by, 1));
  const r = f32x4.splat(f32x4.extract_lane(by, 2)), s = f32x4.splat(f32x4.extract_lane(by, 3));
  const carry = carryOf(D);
  for (let i: usize = 0; i < bytes; i += 32, to += 64) {
    const u = round8(a + i, p), v = round8(b + i, q), w = round8(c + i, r), x = round8(d + i, s);
    if (layout == Layout.Woven) weave4(u, v, w, x, to, 16);
    else if (layout == Layout.Bytes) storeBytes(to, u, v, w, x, carry);
    else {
      v128.store(to, u); v128.store(to, v, 16); v128.store(to, w, 32); v128.store(to, x, 48);
    }
  }
}

/** Largest magnitude of D floats. */
function topOf(x: usize, D: u32): f32 {
  let top = f32x4.splat(0);
  for (const end = x + (<usize>D << 2); x < end; x += 16) top = f32x4.pmax(top, f32x4.abs(v128.load(x)));
  return max(max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
}

/** Eight floats, times `by`, rounded to i16. */
// @ts-ignore: decorator
@inline
function round8(x: usize, by: v128): v128 {
  const whole = f32x4.splat(ROUND), a = f32x4.add(f32x4.mul(v128.load(x), by), whole), b = f32x4.add(f32x4.mul(v128.load(x, 16), by), whole);
  return i16x8.narrow_i32x4_s(i32x4.sub(a, whole), i32x4.sub(b, whole));
}

/** Eight i16 of each query -> u8[2][high, low][4][4] */
// @ts-ignore: decorator
@inline
function storeBytes(to: usize, a: v128, b: v128, c: v128, d: v128, carry: v128): void {
  const low = i16x8.splat(255);
  storeSteps(to, i8x16.narrow_i16x8_u(highOf(a, carry), highOf(b, carry)), i8x16.narrow_i16x8_u(highOf(c, carry), highOf(d, carry)));
  storeSteps(to + 16, i8x16.narrow_i16x8_u(v128.and(a, low), v128.and(b, low)), i8x16.narrow_i16x8_u(v128.and(c, low), v128.and(d, low)));
}

// @ts-ignore: decorator
@inline
function highOf(x: v128, carry: v128): v128 {
  return i16x8.shr_u(i16x8.add(x, carry), 8);
}

/** Two steps of two queries each. */
// @ts-ignore: decorator
@inline
function storeSteps(to: usize, ab: v128, cd: v128): void {
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<i32>(ab, cd, 1, 3, 5, 7), 32);
}
