// What q8_0 values are weighted by. A value is d · int8 with a d for each cell and block of 32 elements, so d goes into the weight before that is
// rounded to i16: weight = p · d. A scale holds for a query, a block and a group of cells: the largest p times the largest d of the cells that the
// query sees, and of no others, as what a token gets must not depend on cells behind it.
//
// Scales of a group, for each block: f32 d[GROUP], f32 d / top · LARGEST [GROUP], f32 top[4], the same four times.
// Weights of a quad: i16[GROUP / 2][4][2] of one block, f32 p / top [GROUP][4], f32 scale[4] of that block, f32 top[4].

import { ROUND, opaque } from "../simd";
import { LARGEST } from "./two_bytes";
import { slotOf } from "./slots";

/** Cells that share scales. Sums of 512 · 32639 · 127 would still fit 32 bits. */
// @ts-ignore: decorator
@inline
export const GROUP: u32 = 32;
// @ts-ignore: decorator
@inline
const COLUMN: usize = <usize>GROUP << 2;
// @ts-ignore: decorator
@inline
export const BLOCK_SCALES: usize = 2 * COLUMN + 16;
/** Bytes of the rounded weights. */
// @ts-ignore: decorator
@inline
export const WEIGHTS: usize = <usize>GROUP << 3;
// @ts-ignore: decorator
@inline
export const SCALE_AT: usize = WEIGHTS + (<usize>GROUP << 4);
// @ts-ignore: decorator
@inline
export const WEIGHTS_BYTES: usize = SCALE_AT + 32;

/** x / v, 0 where v is. */
// @ts-ignore: decorator
@inline
function over(x: f32, v: v128): v128 {
  return v128.and(f32x4.div(f32x4.splat(x), v), f32x4.gt(v, f32x4.splat(0)));
}

/** What the scales of a group hold besides d; returns whether any d is negative. */
export function compareScales(scales: usize, D: u32): bool {
  let signs = i32x4.splat(0);
  for (const end = scales + <usize>(D >> 5) * BLOCK_SCALES; scales < end; scales += BLOCK_SCALES) {
    let top = f32x4.splat(0);
    for (let i: usize = 0; i < COLUMN; i += 16) {
      const d = v128.load(scales + i);
      top = f32x4.pmax(top, f32x4.abs(d));
      signs = v128.or(signs, d);
    }
    top = f32x4.pmax(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
    top = f32x4.pmax(top, v128.shuffle<i32>(top, top, 1, 0, 3, 2));
    const inverse = over(LARGEST, top);
    for (let i: usize = 0; i < COLUMN; i += 16) v128.store(scales + i, f32x4.mul(v128.load(scales + i), inverse), COLUMN);
    v128.store(scales, top, 2 * COLUMN);
  }
  return i32x4.bitmask(signs) != 0;
}

/** p [GROUP slots][4], 0 for what a query does not see -> p / top, by slots or by cells; returns whether every query sees every cell. */
export function share(weights: usize, p: usize, byCells: bool): bool {
  let top = f32x4.splat(0), seen = i32x4.splat(-1);
  for (let i: usize = 0; i < <usize>GROUP << 4; i += 16) {
    const x = v128.load(p + i);
    top = f32x4.pmax(top, x);
    seen = v128.and(seen, f32x4.gt(x, f32x4.splat(0)));
  }
  const inverse = over(1, top), to = weights + WEIGHTS;
  for (let i: u32 = 0; i < GROUP; i++) v128.store(to + (<usize>i << 4), f32x4.mul(v128.load(p + (<usize>(byCells ? slotOf(i) : i) << 4)), inverse));
  v128.store(weights, top, SCALE_AT + 16);
  return i32x4.all_true(seen);
}

/** Weights of one block. `all`: every query sees every cell, so they share what is said of d, to the same bits. */
// @ts-ignore: decorator
@inline
export function weigh(weights: usize, scales: usize, all: bool, D: u32): void {
  const top = all ? weighAll(weights, scales, D) : weighSeen(weights, scales);
  v128.store(weights, f32x4.mul(v128.load(weights, SCALE_AT + 16), f32x4.mul(top, f32x4.splat(<f32>1 / LARGEST))), SCALE_AT);
}

function weighAll(weights: usize, scales: usize, D: u32): v128 {
  const top = v128.load(scales, 2 * COLUMN);
  const whole = opaque(f32x4.splat(ROUND), D);
  let p = weights + WEIGHTS;
  for (const end = p; weights < end; weights += 16, p += 32, scales += 8) {
    roundPair(weights, f32x4.mul(v128.load(p), v128.load32_splat(scales, COLUMN)), f32x4.mul(v128.load(p, 16), v128.load32_splat(scales, COLUMN + 4)), whole);
  }
  return top;
}

/** A d that a query does not see must not reach it, not even as a NaN. */
function weighSeen(weights: usize, scales: usize): v128 {
  const z = f32x4.splat(0);
  let top = z, p = weights + WEIGHTS;
  for (let i: usize = 0; i < <usize>GROUP; i++) {
    top = f32x4.pmax(top, v128.and(f32x4.abs(v128.load32_splat(scales + (i << 2))), f32x4.gt(v128.load(p + (i << 4)), z)));
  }
  const inverse = over(LARGEST, top);
  for (const end = p; weights < end; weights += 16, p += 32, scales += 8) {
    const x = v128.load(p), y = v128.load(p, 16);
    const a = f32x4.mul(x, f32x4.mul(v128.load32_splat(scales), inverse)), b = f32x4.mul(y, f32x4.mul(v128.load32_splat(scales, 4), inverse));
    roundPair(weights, v128.and(a, f32x4.gt(x, z)), v128.and(b, f32x4.gt(y, z)), f32x4.splat(ROUND));
  }
  return top;
}

/** Weights of two cells, rounded, side by side. */
// @ts-ignore: decorator
@inline
function roundPair(to: usize, a: v128, b: v128, whole: v128): void {
  v128.store(to, v128.shuffle<i16>(f32x4.add(a, whole), i32x4.shl(f32x4.add(b, whole), 16), 0, 9, 2, 11, 4, 13, 6, 15));
}
