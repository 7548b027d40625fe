// Few tokens, as streams decode them or an expert gets them: each weight is read and taken apart once for all of them. Four rows at a time
// become strips, and each token's dot products with the four meet, a lane each, in the float steps. Nothing is woven as for a tile (panel.ts),
// which therefore pays only for more tokens. For formats in blocks of 256.
// Tried for two to four tokens: weights straight from their block into the dots of all tokens, without strips. The relaxed build gained 8 to 11 % for
// two and three tokens, the other lost as much. Four rows side by side instead of far apart: no difference.
//
// A strip, without relaxed SIMD: i16 scale · code, in the order in which activations were widened (activation.ts). With: few_codes.ts.

import { blockBytes, hasMins, inputRowBytes, rowBytes, unpackFour } from "../formats/table";
import { f16Bits, f16Rebias, f16x4, fma4, mac, opaque, totals } from "../simd";
import { qOffset, sum16Offset, sum32Offset, wideOffset } from "./activation";
import { storeRows } from "./combine";
import { streamsApart } from "./streams";
import { dotCodes, dotCodesPair } from "./few_codes";
import { weave4 } from "./weave";

/** Tokens at most. */
// @ts-ignore: decorator
@inline
export const FEW_TOKENS: u32 = 16;

/** Weights of a strip that are unpacked at once: four strips stay in L1. A strip is a piece of a row, or where rows are short several whole rows. */
const PIECE: u32 = 1024;
// @ts-ignore: decorator
@inline
export const PIECE_BYTES: usize = 2048;
/** Scratch: four strips, their mins, f32 d[PIECE / 256][4], f32 -dmin[PIECE / 256][4], f32 sums[PIECE / 256][tokens][4], u32 inputs[tokens]. */
// @ts-ignore: decorator
@inline
export const MINS: usize = 4 * PIECE_BYTES;
// @ts-ignore: decorator
@inline
export const MINS_BYTES: usize = 128;
// @ts-ignore: decorator
@inline
export const D: usize = MINS + 4 * MINS_BYTES;
const DMIN: usize = D + 64;
const SUMS: usize = DMIN + 64;
const INPUTS: usize = SUMS + (PIECE / 256) * (FEW_TOKENS << 4);

/** out = x · wᵀ for rows first .. last of w and tokens 0 .. tokens - 1; `list` and `share` as in gemm.ts. */
export function few(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, first: u32, last: u32): void {
  const bytes = rowBytes(format, K), xBytes = inputRowBytes(format, K), sums = scratch + SUMS, inputs = scratch + INPUTS;
  for (let i: u32 = 0; i < tokens; i++) store<u32>(inputs + (<usize>i << 2), <u32>(x + <usize>(outRow(list, i) / share) * xBytes));
  const rows = last - first, apart = streamsApart(rows), step = <usize>apart * bytes, tokenSums = <usize>tokens << 4;
  for (let r: u32 = 0; r < apart; ) {
    const n = first + r, count = (rows - r + apart - 1) / apart;
    const groups = max(1, min(PIECE / K, min(apart, rows - (count - 1) * apart) - r)); // rows of a strip: each has `count` to meet
    const end = sums + <usize>groups * tokenSums;
    for (let to = sums; to < end; to += 16) v128.store(to, f32x4.splat(0));
    for (let k: u32 = 0; k < K; k += PIECE) piece(w + <usize>n * bytes, step, count, k, min(PIECE, K - k), groups, tokens, K, format, scratch);
    for (let i: u32 = 0; i < tokens; i++) {
      let to = out + (<usize>outRow(list, i) * <usize>N + <usize>n << 2);
      if (groups == 4 && count == 4) { // four groups' results of four rows: a row's lie side by side
        const from = sums + (<usize>i << 4);
        weave4(v128.load(from), v128.load(from + tokenSums), v128.load(from + 2 * tokenSums), v128.load(from + 3 * tokenSums), to, <usize>apart << 2);
      } else for (let from = sums + (<usize>i << 4); from < end; from += tokenSums, to += 4) storeRows(to, count, <usize>apart << 2, v128.load(from));
    }
    r += groups;
  }
}

/** The row of out that token i of a list has; the list is 0 for tokens 0, 1, 2… */
// @ts-ignore: decorator
@inline
export function outRow(list: usize, i: u32): u32 {
  return list == 0 ? i : load<u32>(list + (<usize>i << 2));
}

/**
 * Columns k .. k + count of four rows, `step` bytes apart from w (of less, the last is taken again), and of the `groups` - 1 rows behind each
 * -> scratch; the sums of each group and token += their product.
 */
function piece(w: usize, step: usize, rows: u32, k: u32, count: u32, groups: u32, tokens: u32, K: u32, format: u32, scratch: usize): void {
  const mins = hasMins(format), skip = <usize>(k >> 8), tokenSums = <usize>tokens << 4;
  const sums32 = sum32Offset(K, 256) + <usize>(k >> 4), wide = wideOffset(K, 256) + (<usize>k << 1);
  const sums16 = sum16Offset(K, 256) + <usize>(k >> 3), codes = qOffset(K, 256) + <usize>k;
  unpackFour(format, w + skip * <usize>blockBytes(format), step, rows, groups * count, scratch, scratch + MINS, scratch + D);
  widenScales(scratch + D, groups * count >> 8, mins);
  let i: u32 = 0, sums = scratch + SUMS, inputs = scratch + INPUTS;
  for (; i + 2 <= tokens; i += 2, sums += 32, inputs += 8) {
    const x = <usize>load<u32>(inputs), y = <usize>load<u32>(inputs, 4);
    if (!ASC_FEATURE_RELAXED_SIMD) dotPair(sums, tokenSums, groups, scratch, x, y, skip << 2, sums32, wide, count, mins);
    else if (mins) coarsePair(sums, tokenSums, groups, scratch, x, y, skip << 2, sums32, codes, count);
    else finePair(sums, tokenSums, groups, scratch, x, y, skip << 2, sums16, codes, count);
  }
  if (i == tokens) return;
  const x = <usize>load<u32>(inputs);
  if (!ASC_FEATURE_RELAXED_SIMD) dot(sums, tokenSums, groups, scratch, x, skip << 2, sums32, wide, count, mins);
  else if (mins) coarse(sums, tokenSums, groups, scratch, x, skip << 2, sums32, codes, count);
  else fine(sums, tokenSums, groups, scratch, x, skip << 2, sums16, codes, count);
}

// A loop each: scales every 32 codes, and mins apart; scales every 16 codes.

function coarse(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, scale: usize, sums32: usize, codes: usize, count: u32): void {
  dotCodes(sums, tokenSums, groups, w, x, scale, sums32, codes, count, false);
}
function fine(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, scale: usize, sums16: usize, codes: usize, count: u32): void {
  dotCodes(sums, tokenSums, groups, w, x, scale, sums16, codes, count, true);
}
function coarsePair(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, y: usize, scale: usize, sums32: usize, codes: usize, count: u32): void {
  dotCodesPair(sums, tokenSums, groups, w, x, y, scale, sums32, codes, count, false);
}
function finePair(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, y: usize, scale: usize, sums16: usize, codes: usize, count: u32): void {
  dotCodesPair(sums, tokenSums, groups, w, x, y, scale, sums16, codes, count, true);
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
export function step(sums: usize, products: v128, dx: v128, d: usize, m: usize, sum32: usize, mins: bool): void {
  let acc = v128.load(sums);
  if (mins) acc = fma4(minSums(m, sum32), f32x4.mul(v128.load(d, DMIN - D), dx), acc);
  v128.store(sums, fma4(f32x4.convert_i32x4_s(products), f32x4.mul(v128.load(d), dx), acc));
}
