// The sum of q8_0 values, weighted by a softmax. A value is d · int8 with a d for each cell and block of 32 elements, so d goes into the weight
// before it is rounded: weight = p · d, a scale for each query, block and group of cells. The scale is the largest p times the largest d among the
// cells that the query sees, of no others: what a token gets must not depend on cells behind it.
//
// A group's scratch: values i16[D/4][GROUP/2][4][2]; d as floats [D/32][GROUP]; weights i16[GROUP/2][4][2] of one block; p / top [GROUP][4];
// d / top · 32767 of one block [GROUP].

import { ROUND, f16Bits, f16Halves, f16Likely, f16Rebias, f16x4, fma4, mac, opaque } from "../simd";
import { weave4 } from "../matmul/weave";
import { slotOf } from "./slots";
import { addWeighted } from "./tile_int";

/** Cells that share scales. Sums of 512 · 32767 · 127 would still fit 32 bits. */
// @ts-ignore: decorator
@inline
export const GROUP: u32 = 32;
/** A group's values, four elements. */
// @ts-ignore: decorator
@inline
const COLUMN: usize = <usize>GROUP << 3;
// @ts-ignore: decorator
@inline
const WEIGHTS_BYTES: usize = <usize>GROUP << 3;

// @ts-ignore: decorator
@inline
function scalesAt(group: usize, D: u32): usize {
  return group + <usize>(D >> 2) * COLUMN;
}

/** The d of four q8_0 cells, slots s to s + 3, into a group. */
// @ts-ignore: decorator
@inline
function packScales(to: usize, a: usize, b: usize, c: usize, d: usize, D: u32): void {
  const bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  for (const end = a + <usize>(D >> 5) * 34; a < end; a += 34, b += 34, c += 34, d += 34, to += <usize>GROUP << 2) {
    v128.store(to, f16x4(f16Halves(a, b, c, d), bits, rebias));
  }
}

/** Four q8_0 cells, slots s to s + 3, into a group. */
export function packValues(group: usize, s: u32, a: usize, b: usize, c: usize, d: usize, D: u32): void {
  packScales(scalesAt(group, D) + (<usize>s << 2), a, b, c, d, D);
  let to = group + (<usize>s << 3);
  for (const end = a + <usize>(D >> 5) * 34; a < end; ) {
    a += 2; b += 2; c += 2; d += 2;
    for (const blockEnd = a + 32; a < blockEnd; a += 8, b += 8, c += 8, d += 8, to += 2 * COLUMN) {
      weaveEight(to, v128.load8x8_s(a), v128.load8x8_s(b), v128.load8x8_s(c), v128.load8x8_s(d));
    }
  }
}

/** Eight elements of four cells: i16[4][4] in each of two columns. */
// @ts-ignore: decorator
@inline
function weaveEight(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  let ab = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11), cd = v128.shuffle<i16>(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5));
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), 16);
  ab = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15); cd = v128.shuffle<i16>(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5), COLUMN);
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), COLUMN + 16);
}

/** out [D][4] += Σ p · value. p [GROUP][4], 0 for what a query does not see. */
export function addGroup(out: usize, p: usize, group: usize, D: u32): void {
  const scales = scalesAt(group, D), weights = scales + (<usize>(D >> 5) * GROUP << 2), shares = weights + WEIGHTS_BYTES, scale = shares + (<usize>GROUP << 4);
  const all = share(shares, p, false);
  for (let d = scales; d < weights; d += <usize>GROUP << 2) {
    weigh(weights, d, all);
    for (const end = group + 8 * COLUMN; group < end; group += COLUMN, out += 64) addWeighted(out, group, group + COLUMN, weights, scale);
  }
}

/** The d of a cell, in its column of [D/32][GROUP]. */
// @ts-ignore: decorator
@inline
export function widenScales(to: usize, cell: usize, D: u32): void {
  for (const end = cell + <usize>(D >> 5) * 34; cell < end; cell += 34, to += <usize>GROUP << 2) store<f32>(to, f16Likely(cell));
}

/** out [D/8][4][8] += Σ p · value of GROUP cells as they are. */
export function addRows(out: usize, p: usize, values: usize, scales: usize, weights: usize, next: usize, nextScales: usize, D: u32): void {
  const shares = weights + WEIGHTS_BYTES, scale = shares + (<usize>GROUP << 4), octets = D >> 3, row = <usize>(D >> 5) * 34, all = share(shares, p, true);
  for (let octet: u32 = 0, begun: u32 = 0; octet < octets; octet++, values += 8, out += 128) {
    if (octet % 4 == 0) {
      weigh(weights, scales, all);
      scales += <usize>GROUP << 2;
      values += 2;
    }
    addEight(out, values, row, weights, scale);
    if (next) for (const end = GROUP * (octet + 1) / octets; begun < end; begun++) widenScales(nextScales + (<usize>begun << 2), next + <usize>begun * row, D);
  }
}

/** out [4][8] += eight elements of GROUP cells, weighted. */
// @ts-ignore: decorator
@inline
function addEight(out: usize, values: usize, row: usize, weights: usize, scale: usize): void {
  const z = i32x4.splat(0);
  let a0 = z, a1 = z, b0 = z, b1 = z, c0 = z, c1 = z, d0 = z, d1 = z;
  for (const end = weights + WEIGHTS_BYTES; weights < end; weights += 16, values += 2 * row) {
    const x = v128.load8x8_s(values), y = v128.load8x8_s(values + row);
    const low = v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11), high = v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
    let w = v128.load32_splat(weights);
    a0 = mac(low, w, a0); a1 = mac(high, w, a1);
    w = v128.load32_splat(weights, 4);
    b0 = mac(low, w, b0); b1 = mac(high, w, b1);
    w = v128.load32_splat(weights, 8);
    c0 = mac(low, w, c0); c1 = mac(high, w, c1);
    w = v128.load32_splat(weights, 12);
    d0 = mac(low, w, d0); d1 = mac(high, w, d1);
  }
  addBoth(out, a0, a1, v128.load32_splat(scale)); addBoth(out + 32, b0, b1, v128.load32_splat(scale, 4));
  addBoth(out + 64, c0, c1, v128.load32_splat(scale, 8)); addBoth(out + 96, d0, d1, v128.load32_splat(scale, 12));
}

// @ts-ignore: decorator
@inline
function addBoth(out: usize, a: v128, b: v128, scale: v128): void {
  v128.store(out, fma4(f32x4.convert_i32x4_s(a), scale, v128.load(out)));
  v128.store(out, fma4(f32x4.convert_i32x4_s(b), scale, v128.load(out, 16)), 16);
}

/** shares ← p / the largest p, which is left behind the scales; returns whether every query sees every cell. `byCells`: p by slots, shares by cells. */
function share(shares: usize, p: usize, byCells: bool): bool {
  let top = f32x4.splat(0), seen = i32x4.splat(-1);
  for (let i: usize = 0; i < <usize>GROUP << 4; i += 16) {
    const x = v128.load(p + i);
    top = f32x4.pmax(top, x);
    seen = v128.and(seen, f32x4.gt(x, f32x4.splat(0)));
  }
  const inverse = inverseOf(top, f32x4.splat(1));
  v128.store(shares + (<usize>GROUP << 4), top, 16);
  for (let i: u32 = 0; i < GROUP; i++, shares += 16) {
    v128.store(shares, f32x4.mul(v128.load(p + (<usize>(byCells ? slotOf(i) : i) << 4)), inverse));
  }
  return i32x4.all_true(seen);
}

/** weights of a block ← p · d, rounded; the scales behind the shares ← theirs. */
// @ts-ignore: decorator
@inline
function weigh(weights: usize, d: usize, all: bool): void {
  const shares = weights + WEIGHTS_BYTES, scale = shares + (<usize>GROUP << 4), ds = scale + 32;
  const largest = all ? weighAll(weights, shares, d, ds) : weighSeen(weights, shares, d);
  v128.store(scale, f32x4.mul(v128.load(scale, 16), f32x4.mul(largest, f32x4.splat(1.0 / 32767))));
}

/** x / v, 0 where v is. */
// @ts-ignore: decorator
@inline
function inverseOf(v: v128, x: v128): v128 {
  return v128.and(f32x4.div(x, v), f32x4.gt(v, f32x4.splat(0)));
}

/** The same where every query sees all cells: they share the scales. */
function weighAll(weights: usize, shares: usize, d: usize, ds: usize): v128 {
  let top = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>GROUP << 2; i += 16) top = f32x4.pmax(top, f32x4.abs(v128.load(d + i)));
  top = f32x4.pmax(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
  top = f32x4.pmax(top, v128.shuffle<i32>(top, top, 1, 0, 3, 2));
  const inverse = inverseOf(top, f32x4.splat(32767));
  for (let i: usize = 0; i < <usize>GROUP << 2; i += 16) v128.store(ds + i, f32x4.mul(v128.load(d + i), inverse));
  for (const end = weights + WEIGHTS_BYTES; weights < end; weights += 16, shares += 32, ds += 8) {
    const a = f32x4.mul(v128.load(shares), v128.load32_splat(ds)), b = f32x4.mul(v128.load(shares, 16), v128.load32_splat(ds, 4));
    v128.store(weights, pairOf(a, b));
  }
  return top;
}

/** weights of one block ← share · d, rounded; returns the largest d that each query sees. */
function weighSeen(weights: usize, shares: usize, d: usize): v128 {
  const z = f32x4.splat(0);
  let top = z;
  for (let i: usize = 0; i < <usize>GROUP; i++) {
    top = f32x4.pmax(top, v128.and(f32x4.abs(v128.load32_splat(d + (i << 2))), f32x4.gt(v128.load(shares + (i << 4)), z)));
  }
  const inverse = inverseOf(top, f32x4.splat(32767));
  for (const end = weights + WEIGHTS_BYTES; weights < end; weights += 16, shares += 32, d += 8) {
    const x = v128.load(shares), y = v128.load(shares, 16);
    const a = v128.and(f32x4.mul(x, f32x4.mul(v128.load32_splat(d), inverse)), f32x4.gt(x, z));
    const b = v128.and(f32x4.mul(y, f32x4.mul(v128.load32_splat(d, 4), inverse)), f32x4.gt(y, z));
    v128.store(weights, pairOf(a, b));
  }
  return top;
}

/** Four floats each, rounded to i16, side by side. */
// @ts-ignore: decorator
@inline
function pairOf(a: v128, b: v128): v128 {
  const whole = f32x4.splat(ROUND);
  return v128.shuffle<i16>(f32x4.add(a, whole), i32x4.shl(f32x4.add(b, whole), 16), 0, 9, 2, 11, 4, 13, 6, 15);
}

/** out [D][4] -> [D/8][4][8], in place. */
export function turnOut(out: usize, D: u32): void {
  for (const end = out + (<usize>D << 4); out < end; out += 128) {
    const a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
    const e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
    weave4(a, b, c, d, out, 32);
    weave4(e, f, g, h, out + 16, 32);
  }
}
