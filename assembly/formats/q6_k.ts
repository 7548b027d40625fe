import { qOffset, sum16Offset } from "../matmul/activation";
import { combine } from "../matmul/combine";
import { matvecRows } from "../matmul/streams";
import { f16, f16Bits, f16Halves, f16Rebias, f16x4, mac, opaque, rdot16 } from "../simd";
import { WORDS_BYTES, WORDS_CODES, WORDS_SCALES, putScales } from "./cells";
import { put16 } from "./strip";

// Two halves of 128: low four bits in 64 bytes each (at 0), high two bits in 32 bytes each (at 128); int8 scales of sub-blocks of 16
// (at 192); f16 d (at 208). 210 bytes. w = d · scale[s] · (code - 32). In a half, quarters of 32 codes: 0 and 1 have the low nibbles of
// bytes 0..31 and 32..63, 2 and 3 the high ones; quarter j has bit pair j of the high bits.

/** Codes 0..63 of quarters 0 or 1, and of 2 or 3, from nibbles v and high bits h already shifted so that theirs are bits 4-5 of each byte. */
// @ts-ignore: decorator
@inline
function low6(v: v128, h: v128, four: v128, two: v128): v128 {
  return v128.or(v128.and(v, four), v128.and(h, two));
}
// @ts-ignore: decorator
@inline
function high6(v: v128, h: v128, four: v128, two: v128): v128 {
  return v128.or(v128.and(i16x8.shr_u(v, 4), four), v128.and(h, two));
}

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ6_K(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), two = opaque(i8x16.splat(48), n), zero = opaque(i8x16.splat(32), n);
  store<f32>(d, f16(p + 208));
  let high = p + 128, scale = p + 192;
  for (const end = p + 128; p < end; p += 64) {
    for (let half: usize = 0; half < 2; half++) { // 16 codes of each quarter
      const v = v128.load(p + 16 * half), u = v128.load(p + 16 * half, 32), h = v128.load(high + 16 * half), at = q + 32 * half;
      put16(at, i8x16.sub(low6(v, i16x8.shl(h, 4), four, two), zero), i16x8.splat(<i16>load<i8>(scale + half)));
      put16(at + 64, i8x16.sub(low6(u, i16x8.shl(h, 2), four, two), zero), i16x8.splat(<i16>load<i8>(scale + half, 2)));
      put16(at + 128, i8x16.sub(high6(v, h, four, two), zero), i16x8.splat(<i16>load<i8>(scale + half, 4)));
      put16(at + 192, i8x16.sub(high6(u, i16x8.shr_u(h, 2), four, two), zero), i16x8.splat(<i16>load<i8>(scale + half, 6)));
    }
    q += 256; high += 32; scale += 8;
  }
}

/** One block -> strip of codes. */
// @ts-ignore: decorator
@inline
export function unpackCodesQ6_K(p: usize, q: usize, scale: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), two = opaque(i8x16.splat(48), n);
  const low = v128.load8x8_s(p, 192), top = v128.load8x8_s(p, 200), by = f16(p + 208);
  store<f32>(d, by);
  store<f32>(dm, by);
  v128.store(scale, low);
  v128.store(scale, top, 16);
  v128.store(m, i16x8.neg(i16x8.shl(low, 5)));
  v128.store(m, i16x8.neg(i16x8.shl(top, 5)), 16);
  let high = p + 128;
  for (const end = p + 128; p < end; p += 64) {
    for (let half: usize = 0; half < 32; half += 16) {
      const v = v128.load(p + half), u = v128.load(p + half, 32), h = v128.load(high + half), at = q + half;
      v128.store(at, low6(v, i16x8.shl(h, 4), four, two));
      v128.store(at, low6(u, i16x8.shl(h, 2), four, two), 32);
      v128.store(at, high6(v, h, four, two), 64);
      v128.store(at, high6(u, i16x8.shr_u(h, 2), four, two), 96);
    }
    q += 128; high += 32;
  }
}

/** `blocks` blocks of the rows at a, b, c, d -> cells of words; see matmul/few_words.ts. */
export function wordsQ6_K(a: usize, b: usize, c: usize, d: usize, blocks: u32, cell: usize): void {
  const low = opaque(i8x16.splat(0x3c), blocks), top = opaque(i8x16.splat(<i8>0xc0), blocks), flip = opaque(i8x16.splat(<i8>0xaa), blocks);
  for (const end = cell + <usize>blocks * WORDS_BYTES; cell < end; cell += WORDS_BYTES) {
    putHead(a, b, c, d, cell, cell + WORDS_SCALES, 16);
    wordQuarters(a, b, c, d, 128, cell + WORDS_CODES, low, top, flip);
    wordQuarters(a + 16, b + 16, c + 16, d + 16, 128, cell + WORDS_CODES + 128, low, top, flip);
    wordQuarters(a + 64, b + 64, c + 64, d + 64, 96, cell + WORDS_CODES + 1024, low, top, flip);
    wordQuarters(a + 80, b + 80, c + 80, d + 80, 96, cell + WORDS_CODES + 1152, low, top, flip);
    a += 210; b += 210; c += 210; d += 210;
  }
}

/** Sixteen codes of each quarter of four rows, the high bits `high` bytes further: with each pair's upper bit flipped a code's six bits mean code - 32. */
// @ts-ignore: decorator
@inline
function wordQuarters(a: usize, b: usize, c: usize, d: usize, high: usize, to: usize, low: v128, top: v128, flip: v128): void {
  const e = v128.load(a + high), f = v128.load(b + high), g = v128.load(c + high), h = v128.load(d + high);
  const i = v128.xor(v128.shuffle<i64>(e, f, 0, 2), flip), j = v128.xor(v128.shuffle<i64>(g, h, 0, 2), flip);
  const k = v128.xor(v128.shuffle<i64>(e, f, 1, 3), flip), l = v128.xor(v128.shuffle<i64>(g, h, 1, 3), flip);
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  putSixes(to, v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(r, s, 0, 2), i16x8.shl(i, 6), i16x8.shl(j, 6), i16x8.shl(i, 2), i16x8.shl(j, 2), low, top);
  putSixes(to + 64, v128.shuffle<i64>(p, q, 1, 3), v128.shuffle<i64>(r, s, 1, 3), i16x8.shl(k, 6), i16x8.shl(l, 6), i16x8.shl(k, 2), i16x8.shl(l, 2), low, top);
  const t = v128.load(a, 32), u = v128.load(b, 32), v = v128.load(c, 32), w = v128.load(d, 32);
  putSixes(to + 256, v128.shuffle<i64>(t, u, 0, 2), v128.shuffle<i64>(v, w, 0, 2), i16x8.shl(i, 4), i16x8.shl(j, 4), i, j, low, top);
  putSixes(to + 320, v128.shuffle<i64>(t, u, 1, 3), v128.shuffle<i64>(v, w, 1, 3), i16x8.shl(k, 4), i16x8.shl(l, 4), k, l, low, top);
}

/** Eight codes of two quarters: nibbles of two rows in v and of two in u, high bits already in the top of each byte. */
// @ts-ignore: decorator
@inline
function putSixes(to: usize, v: v128, u: v128, vHigh: v128, uHigh: v128, vHigher: v128, uHigher: v128, low: v128, top: v128): void {
  putWords(to, v128.or(v128.and(i16x8.shl(v, 2), low), v128.and(vHigh, top)));
  putWords(to + 32, v128.or(v128.and(i16x8.shl(u, 2), low), v128.and(uHigh, top)));
  putWords(to + 512, v128.or(v128.and(i16x8.shr_u(v, 2), low), v128.and(vHigher, top)));
  putWords(to + 544, v128.or(v128.and(i16x8.shr_u(u, 2), low), v128.and(uHigher, top)));
}

/** Codes in the top six bits of each byte -> i16, evens and odds. */
// @ts-ignore: decorator
@inline
function putWords(to: usize, codes: v128): void {
  v128.store(to, i16x8.shr_s(i16x8.shl(codes, 8), 10));
  v128.store(to, i16x8.shr_s(codes, 10), 16);
}

/** The block of four rows -> cell; see matmul/few_cells.ts. */
export function cellQ6_K(a: usize, b: usize, c: usize, d: usize, cell: usize, n: u32): void {
  putHead(a, b, c, d, cell, cell + 16, 80);
  cellRows(a, b, cell + 32, n);
  cellRows(c, d, cell + 48, n);
}

/** d, and scales at `to`, `step` bytes from one to the next. */
// @ts-ignore: decorator
@inline
function putHead(a: usize, b: usize, c: usize, d: usize, cell: usize, to: usize, step: usize): void {
  v128.store(cell, f16x4(f16Halves(a + 208, b + 208, c + 208, d + 208), f16Bits(), f16Rebias()));
  const p = v128.load(a, 192), q = v128.load(b, 192), r = v128.load(c, 192), s = v128.load(d, 192);
  const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5);
  const tu = v128.shuffle<i32>(p, q, 2, 6, 3, 7), vw = v128.shuffle<i32>(r, s, 2, 6, 3, 7);
  putSignedScales(to, v128.shuffle<i64>(pq, rs, 0, 2), step);
  putSignedScales(to + 4 * step, v128.shuffle<i64>(pq, rs, 1, 3), step);
  putSignedScales(to + 8 * step, v128.shuffle<i64>(tu, vw, 0, 2), step);
  putSignedScales(to + 12 * step, v128.shuffle<i64>(tu, vw, 1, 3), step);
}

// @ts-ignore: decorator
@inline
function putSignedScales(to: usize, bytes: v128, step: usize): void {
  putScales(to, i16x8.shr_s(i16x8.shl(bytes, 8), 8), i16x8.shr_s(bytes, 8), step);
}

/** All codes of two rows, 16 of each quarter of a half at a time. */
function cellRows(a: usize, b: usize, to: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), two = opaque(i8x16.splat(48), n);
  cellQuarters(a, b, a + 128, b + 128, to, four, two);
  cellQuarters(a + 16, b + 16, a + 144, b + 144, to + 80, four, two);
  cellQuarters(a + 64, b + 64, a + 160, b + 160, to + 640, four, two);
  cellQuarters(a + 80, b + 80, a + 176, b + 176, to + 720, four, two);
}

// @ts-ignore: decorator
@inline
function cellQuarters(a: usize, b: usize, aHigh: usize, bHigh: usize, to: usize, four: v128, two: v128): void {
  const p = v128.load(a), q = v128.load(b), r = v128.load(a, 32), s = v128.load(b, 32), t = v128.load(aHigh), u = v128.load(bHigh);
  putSix(to, v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(r, s, 0, 2), v128.shuffle<i64>(t, u, 0, 2), four, two);
  putSix(to + 32, v128.shuffle<i64>(p, q, 1, 3), v128.shuffle<i64>(r, s, 1, 3), v128.shuffle<i64>(t, u, 1, 3), four, two);
}

/** Eight codes of two rows and each quarter. */
// @ts-ignore: decorator
@inline
function putSix(to: usize, v: v128, u: v128, h: v128, four: v128, two: v128): void {
  v128.store(to, low6(v, i16x8.shl(h, 4), four, two));
  v128.store(to, low6(u, i16x8.shl(h, 2), four, two), 160);
  v128.store(to, high6(v, h, four, two), 320);
  v128.store(to, high6(u, i16x8.shr_u(h, 2), four, two), 480);
}

/** s + a · scales[0] + b · scales[2] + c · scales[4] + d · scales[6], of products summed by twos. */
// @ts-ignore: decorator
@inline
function scaled(a: v128, b: v128, c: v128, d: v128, scales: v128, s: v128): v128 {
  s = mac(a, v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0), s);
  s = mac(b, v128.shuffle<i16>(scales, scales, 2, 2, 2, 2, 2, 2, 2, 2), s);
  s = mac(c, v128.shuffle<i16>(scales, scales, 4, 4, 4, 4, 4, 4, 4, 4), s);
  return mac(d, v128.shuffle<i16>(scales, scales, 6, 6, 6, 6, 6, 6, 6, 6), s);
}

@unmanaged
class Q6_KRows {
  @inline get bytes(): usize { return 210; }
  @inline get sumBytes(): usize { return 16; }
  @inline get run(): usize { return 6; }
  @inline sums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void { blockSums(w, count, x, b, K, sums, d); }
  @inline combine(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
    combine(out, n, apart, sums, d, scale, blocks);
  }
}

/** out[rows] = w[rows, K] · x[K], relaxed build only. Codes stay unsigned: 32 · Σ scale · sum16 comes off at the end of a block. */
export function matvecQ6_K(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  matvecRows<Q6_KRows>(w, x, out, rows, K, scratch);
}

/** A row's sums for combine, and each block's d as it is. */
function blockSums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void {
  const four = opaque(i8x16.splat(15), K), two = opaque(i8x16.splat(48), K);
  let inputSums = x + sum16Offset(K, 256) + (b << 5), q = x + qOffset(K, 256) + (b << 8);
  for (const end = w + count * 210; w < end; w += 210, inputSums += 32, sums += 16, d += 16) {
    const top = i16x8.extend_high_i8x16_s(v128.load(w, 192));
    let scales = i16x8.extend_low_i8x16_s(v128.load(w, 192));
    let s = mac(top, v128.load(inputSums, 16), i32x4.dot_i16x8_s(scales, v128.load(inputSums)));
    s = i32x4.neg(i32x4.shl(s, 5));
    let p = w, high = w + 128;
    for (const blockEnd = w + 128; p < blockEnd; p += 32) { // two steps of 16 bytes, then over the other 32 of the half
      for (const stepEnd = p + 32; p < stepEnd; p += 16) {
        const v = v128.load(p), u = v128.load(p, 32), h = v128.load(high);
        const a = rdot16(v128.load(q), low6(v, i16x8.shl(h, 4), four, two)), b = rdot16(v128.load(q, 32), low6(u, i16x8.shl(h, 2), four, two));
        const c = rdot16(v128.load(q, 64), high6(v, h, four, two)), e = rdot16(v128.load(q, 96), high6(u, i16x8.shr_u(h, 2), four, two));
        s = scaled(a, b, c, e, scales, s);
        scales = v128.shuffle<i16>(scales, scales, 1, 2, 3, 4, 5, 6, 7, 0);
        q += 16; high += 16;
      }
      scales = top;
      q += 96;
    }
    v128.store(sums, s);
    store<u16>(d, load<u16>(w, 208), 2);
  }
}
