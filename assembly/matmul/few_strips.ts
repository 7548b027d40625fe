// The dot products of few.ts without relaxed SIMD: four strips, i16 scale · code in the order in which activations were widened (activation.ts).
// A token's dot products with the four meet, a lane each, in the float steps.

import { blockBytes, hasMins, unpackFour } from "../formats/table";
import { f16Bits, f16Rebias, f16x4, fma4, mac, opaque, totals } from "../simd";
import { sum32Offset, wideOffset } from "./activation";

/** Weights of a row that are unpacked at once, for four rows: they stay in L1. Where rows are short, those of several rows. */
// @ts-ignore: decorator
@inline
export const PIECE: u32 = 1024;
// @ts-ignore: decorator
@inline
const PIECE_BYTES: usize = 2 * PIECE;
/** At `strips`: four of them, their mins, f32 d[PIECE / 256][4], f32 -dmin[PIECE / 256][4]. */
// @ts-ignore: decorator
@inline
const MINS: usize = 4 * PIECE_BYTES;
// @ts-ignore: decorator
@inline
const MINS_BYTES: usize = 128;
// @ts-ignore: decorator
@inline
const D: usize = MINS + 4 * MINS_BYTES;
const DMIN: usize = D + 64;

/**
 * Columns k .. k + count of four rows, `step` bytes apart from w (of less, the last is taken again), and of the `groups` - 1 rows behind each
 * -> strips; the sums of each group and token += their product.
 */
export function strips(w: usize, step: usize, rows: u32, k: u32, count: u32, groups: u32, sums: usize, inputs: usize, tokens: u32, K: u32, format: u32, strips: usize): void {
  const mins = hasMins(format), skip = <usize>(k >> 8), tokenSums = <usize>tokens << 4;
  const sums32 = sum32Offset(K, 256) + <usize>(k >> 4), wide = wideOffset(K, 256) + (<usize>k << 1);
  unpackFour(format, w + skip * <usize>blockBytes(format), step, rows, groups * count, strips, strips + MINS, strips + D);
  widenScales(strips + D, groups * count >> 8, mins);
  let i: u32 = 0;
  for (; i + 2 <= tokens; i += 2, sums += 32, inputs += 8) {
    dotPair(sums, tokenSums, groups, strips, <usize>load<u32>(inputs), <usize>load<u32>(inputs, 4), skip << 2, sums32, wide, count, mins);
  }
  if (i < tokens) dot(sums, tokenSums, groups, strips, <usize>load<u32>(inputs), skip << 2, sums32, wide, count, mins);
}

/** The f16 of `blocks` blocks of four rows, d in the high half, or d in the low and dmin in the high one, -> f32 d and -dmin. */
function widenScales(d: usize, blocks: u32, mins: bool): void {
  const bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  for (const end = d + (<usize>blocks << 4); d < end; d += 16) {
    const h = v128.load(d);
    if (mins) v128.store(d, f32x4.neg(f16x4(h, bits, rebias)), DMIN - D);
    v128.store(d, f16x4(mins ? i32x4.shl(h, 16) : h, bits, rebias));
  }
}

/** The products of four rows' mins with a token's sums. */
// @ts-ignore: decorator
@inline
function minSums(m: usize, sum32: usize): v128 {
  const s = v128.load(sum32);
  return f32x4.convert_i32x4_s(totals(
    i32x4.dot_i16x8_s(v128.load(m), s), i32x4.dot_i16x8_s(v128.load(m, MINS_BYTES), s),
    i32x4.dot_i16x8_s(v128.load(m, 2 * MINS_BYTES), s), i32x4.dot_i16x8_s(v128.load(m, 3 * MINS_BYTES), s)));
}

/** The sums of each group, `tokenSums` bytes apart, += four rows · a token's blocks: mins before data, a float step each, as everywhere (gemm.ts). */
function dot(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, scale: usize, sum32: usize, wide: usize, count: u32, mins: bool): void {
  let m = w + MINS, d = w + D;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let q = x + wide, dx = x + scale, s = x + sum32;
    for (const end = q + (<usize>count << 1); q < end; dx += 4, s += 16, m += 16, d += 16) {
      let a = i32x4.splat(0), b = a, c = a, e = a;
      for (const blockEnd = q + 512; q < blockEnd; q += 32, w += 32) {
        const u = v128.load(q), v = v128.load(q, 16);
        a = mac(v128.load(w, 16), v, mac(v128.load(w), u, a));
        b = mac(v128.load(w, PIECE_BYTES + 16), v, mac(v128.load(w, PIECE_BYTES), u, b));
        c = mac(v128.load(w, 2 * PIECE_BYTES + 16), v, mac(v128.load(w, 2 * PIECE_BYTES), u, c));
        e = mac(v128.load(w, 3 * PIECE_BYTES + 16), v, mac(v128.load(w, 3 * PIECE_BYTES), u, e));
      }
      step(sums, totals(a, b, c, e), v128.load32_splat(dx), d, m, s, mins);
    }
  }
}

/** The same for two tokens, at x and y, whose sums are neighbours. */
function dotPair(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, y: usize, scale: usize, sum32: usize, wide: usize, count: u32, mins: bool): void {
  const z = i32x4.splat(0);
  let m = w + MINS, d = w + D;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let q = x + wide, p = y + wide, at = scale, s = sum32;
    for (const end = q + (<usize>count << 1); q < end; at += 4, s += 16, m += 16, d += 16) {
      let a = z, b = z, c = z, e = z, f = z, g = z, h = z, i = z;
      for (const blockEnd = q + 512; q < blockEnd; q += 32, p += 32, w += 32) {
        let u = v128.load(q), v = v128.load(p), k = v128.load(w);
        a = mac(k, u, a); f = mac(k, v, f);
        k = v128.load(w, PIECE_BYTES);
        b = mac(k, u, b); g = mac(k, v, g);
        k = v128.load(w, 2 * PIECE_BYTES);
        c = mac(k, u, c); h = mac(k, v, h);
        k = v128.load(w, 3 * PIECE_BYTES);
        e = mac(k, u, e); i = mac(k, v, i);
        u = v128.load(q, 16); v = v128.load(p, 16); k = v128.load(w, 16);
        a = mac(k, u, a); f = mac(k, v, f);
        k = v128.load(w, PIECE_BYTES + 16);
        b = mac(k, u, b); g = mac(k, v, g);
        k = v128.load(w, 2 * PIECE_BYTES + 16);
        c = mac(k, u, c); h = mac(k, v, h);
        k = v128.load(w, 3 * PIECE_BYTES + 16);
        e = mac(k, u, e); i = mac(k, v, i);
      }
      step(sums, totals(a, b, c, e), v128.load32_splat(x + at), d, m, x + s, mins);
      step(sums + 16, totals(f, g, h, i), v128.load32_splat(y + at), d, m, y + s, mins);
    }
  }
}

/** The float steps of one block of a token. */
// @ts-ignore: decorator
@inline
function step(sums: usize, products: v128, dx: v128, d: usize, m: usize, sum32: usize, mins: bool): void {
  let acc = v128.load(sums);
  if (mins) acc = fma4(minSums(m, sum32), f32x4.mul(v128.load(d, DMIN - D), dx), acc);
  v128.store(sums, fma4(f32x4.convert_i32x4_s(products), f32x4.mul(v128.load(d), dx), acc));
}
