// The dot products of few.ts in the relaxed build: codes stay bytes and meet int8 activations, sums of pairs in i16 meet their scale.
//
// A row's piece: u8 code[1024], then a vector of eight equal i16 scales for every 32 codes, or every 16 where `fine`. Its mins: i16x8 a block;
// where `fine` sixteen, which are the code's offset times the scale and count with d: -32 · scale of Q6_K.

import { mac, rdot16, totals } from "../simd";
import { D, MINS, MINS_BYTES, PIECE_BYTES, step } from "./few";

/** Bytes from a piece's codes to its scales. */
// @ts-ignore: decorator
@inline
export const CODE_SCALES: usize = 1024;

/** s + 32 codes of a row, at w, times activations x and y, times scales. */
// @ts-ignore: decorator
@inline
function dot32(w: usize, scales: usize, x: v128, y: v128, s: v128, fine: bool): v128 {
  if (fine) return mac(rdot16(y, v128.load(w, 16)), v128.load(scales, 16), mac(rdot16(x, v128.load(w)), v128.load(scales), s));
  return mac(i16x8.add(rdot16(x, v128.load(w)), rdot16(y, v128.load(w, 16))), v128.load(scales), s);
}

/** The sums of one row and block begin: with its offsets, or at zero. */
// @ts-ignore: decorator
@inline
function begin(m: usize, sum16: usize, fine: bool): v128 {
  if (fine) return mac(v128.load(m, 16), v128.load(sum16, 16), i32x4.dot_i16x8_s(v128.load(m), v128.load(sum16)));
  return i32x4.splat(0);
}

/** The sums of each group, as in few.ts, += four rows · the blocks of the token at x. Offsets from x: of its scales, its sums, its codes. */
// @ts-ignore: decorator
@inline
export function dotCodes(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, scale: usize, inputSums: usize, at: usize, count: u32, fine: bool): void {
  const scaleStep: usize = fine ? 32 : 16, minStep: usize = fine ? 32 : 16;
  let m = w + MINS, d = w + D, s = w + CODE_SCALES;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let q = x + at, dx = x + scale, xs = x + inputSums;
    for (const end = q + <usize>count; q < end; dx += 4, m += minStep, xs += minStep, d += 16) {
      let a = begin(m, xs, fine), b = begin(m + MINS_BYTES, xs, fine), c = begin(m + 2 * MINS_BYTES, xs, fine), e = begin(m + 3 * MINS_BYTES, xs, fine);
      for (const blockEnd = q + 256; q < blockEnd; q += 32, w += 32, s += scaleStep) {
        const u = v128.load(q), v = v128.load(q, 16);
        a = dot32(w, s, u, v, a, fine);
        b = dot32(w + PIECE_BYTES, s + PIECE_BYTES, u, v, b, fine);
        c = dot32(w + 2 * PIECE_BYTES, s + 2 * PIECE_BYTES, u, v, c, fine);
        e = dot32(w + 3 * PIECE_BYTES, s + 3 * PIECE_BYTES, u, v, e, fine);
      }
      step(sums, totals(a, b, c, e), v128.load32_splat(dx), d, m, xs, !fine);
    }
  }
}

/** The same for two tokens, whose sums are neighbours. */
// @ts-ignore: decorator
@inline
export function dotCodesPair(sums: usize, tokenSums: usize, groups: u32, w: usize, x: usize, y: usize, scale: usize, inputSums: usize, at: usize, count: u32, fine: bool): void {
  const scaleStep: usize = fine ? 32 : 16, minStep: usize = fine ? 32 : 16;
  let m = w + MINS, d = w + D, s = w + CODE_SCALES;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let q = x + at, p = y + at, dx = scale, xs = x + inputSums, ys = y + inputSums;
    for (const end = q + <usize>count; q < end; dx += 4, m += minStep, xs += minStep, ys += minStep, d += 16) {
      let a = begin(m, xs, fine), b = begin(m + MINS_BYTES, xs, fine), c = begin(m + 2 * MINS_BYTES, xs, fine), e = begin(m + 3 * MINS_BYTES, xs, fine);
      let f = begin(m, ys, fine), g = begin(m + MINS_BYTES, ys, fine), h = begin(m + 2 * MINS_BYTES, ys, fine), i = begin(m + 3 * MINS_BYTES, ys, fine);
      for (const blockEnd = q + 256; q < blockEnd; q += 32, p += 32, w += 32, s += scaleStep) {
        const u = v128.load(q), v = v128.load(q, 16), t = v128.load(p), r = v128.load(p, 16);
        a = dot32(w, s, u, v, a, fine); f = dot32(w, s, t, r, f, fine);
        b = dot32(w + PIECE_BYTES, s + PIECE_BYTES, u, v, b, fine); g = dot32(w + PIECE_BYTES, s + PIECE_BYTES, t, r, g, fine);
        c = dot32(w + 2 * PIECE_BYTES, s + 2 * PIECE_BYTES, u, v, c, fine); h = dot32(w + 2 * PIECE_BYTES, s + 2 * PIECE_BYTES, t, r, h, fine);
        e = dot32(w + 3 * PIECE_BYTES, s + 3 * PIECE_BYTES, u, v, e, fine); i = dot32(w + 3 * PIECE_BYTES, s + 3 * PIECE_BYTES, t, r, i, fine);
      }
      step(sums, totals(a, b, c, e), v128.load32_splat(x + dx), d, m, xs, !fine);
      step(sums + 16, totals(f, g, h, i), v128.load32_splat(y + dx), d, m, ys, !fine);
    }
  }
}
