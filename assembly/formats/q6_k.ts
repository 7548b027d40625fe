import { qOffset, sum16Offset, wideOffset } from "../matmul/activation";
import { combine } from "../matmul/combine";
import { matvecRows } from "../matmul/streams";
import { f16, f16Bits, f16Halves, f16Rebias, f16x4, mac, opaque, rdot16 } from "../simd";
import { putScales } from "./cells";
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

/** One block -> i16, evens then odds of each sixteen; see table.unpackFour. */
// @ts-ignore: decorator
@inline
export function unpackWideQ6_K(p: usize, q: usize, d: usize, n: u32): void {
  store<u16>(d, load<u16>(p, 208), 2);
  halfWide(p, p + 128, q, i16x8.extend_low_i8x16_s(v128.load(p, 192)), n);
  halfWide(p + 64, p + 160, q + 256, i16x8.extend_high_i8x16_s(v128.load(p, 192)), n);
}

/** 128 codes, 16 of each quarter at a time. */
// @ts-ignore: decorator
@inline
function halfWide(p: usize, high: usize, q: usize, scales: v128, n: u32): void {
  const four = opaque(i8x16.splat(15), n), two = opaque(i8x16.splat(48), n), zero = opaque(i8x16.splat(32), n);
  const v = v128.load(p), u = v128.load(p, 32), h = v128.load(high), y = v128.load(p, 16), x = v128.load(p, 48), g = v128.load(high, 16);
  putWide(q, i8x16.sub(low6(v, i16x8.shl(h, 4), four, two), zero), v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0));
  putWide(q + 32, i8x16.sub(low6(y, i16x8.shl(g, 4), four, two), zero), v128.shuffle<i16>(scales, scales, 1, 1, 1, 1, 1, 1, 1, 1));
  putWide(q + 64, i8x16.sub(low6(u, i16x8.shl(h, 2), four, two), zero), v128.shuffle<i16>(scales, scales, 2, 2, 2, 2, 2, 2, 2, 2));
  putWide(q + 96, i8x16.sub(low6(x, i16x8.shl(g, 2), four, two), zero), v128.shuffle<i16>(scales, scales, 3, 3, 3, 3, 3, 3, 3, 3));
  putWide(q + 128, i8x16.sub(high6(v, h, four, two), zero), v128.shuffle<i16>(scales, scales, 4, 4, 4, 4, 4, 4, 4, 4));
  putWide(q + 160, i8x16.sub(high6(y, g, four, two), zero), v128.shuffle<i16>(scales, scales, 5, 5, 5, 5, 5, 5, 5, 5));
  putWide(q + 192, i8x16.sub(high6(u, i16x8.shr_u(h, 2), four, two), zero), v128.shuffle<i16>(scales, scales, 6, 6, 6, 6, 6, 6, 6, 6));
  putWide(q + 224, i8x16.sub(high6(x, i16x8.shr_u(g, 2), four, two), zero), v128.shuffle<i16>(scales, scales, 7, 7, 7, 7, 7, 7, 7, 7));
}

// @ts-ignore: decorator
@inline
function putWide(q: usize, codes: v128, scale: v128): void {
  v128.store(q, i16x8.mul(i16x8.shr_s(i16x8.shl(codes, 8), 8), scale));
  v128.store(q, i16x8.mul(i16x8.shr_s(codes, 8), scale), 16);
}

/** The block of four rows -> cell; see matmul/few_cells.ts. */
export function cellQ6_K(a: usize, b: usize, c: usize, d: usize, cell: usize, n: u32): void {
  v128.store(cell, f16x4(f16Halves(a + 208, b + 208, c + 208, d + 208), f16Bits(), f16Rebias()));
  const p = v128.load(a, 192), q = v128.load(b, 192), r = v128.load(c, 192), s = v128.load(d, 192);
  const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5);
  const tu = v128.shuffle<i32>(p, q, 2, 6, 3, 7), vw = v128.shuffle<i32>(r, s, 2, 6, 3, 7);
  putSignedScales(cell + 16, v128.shuffle<i64>(pq, rs, 0, 2));
  putSignedScales(cell + 336, v128.shuffle<i64>(pq, rs, 1, 3));
  putSignedScales(cell + 656, v128.shuffle<i64>(tu, vw, 0, 2));
  putSignedScales(cell + 976, v128.shuffle<i64>(tu, vw, 1, 3));
  cellRows(a, b, cell + 32, n);
  cellRows(c, d, cell + 48, n);
}

// @ts-ignore: decorator
@inline
function putSignedScales(to: usize, bytes: v128): void {
  putScales(to, i16x8.shr_s(i16x8.shl(bytes, 8), 8), i16x8.shr_s(bytes, 8), 80);
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

/** Σ code · x over sixteen codes: pairs in i16 (relaxed), or fours in i32 lanes that fit i16 (4 · 63 · 127). */
// @ts-ignore: decorator
@inline
function dot16(codes: v128, q: usize, byte: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return rdot16(v128.load(q), codes);
  else return mac(i16x8.shr_u(codes, 8), v128.load(q, 16), i32x4.dot_i16x8_s(v128.and(codes, byte), v128.load(q)));
}

/** s + a · scales[0] + b · scales[2] + c · scales[4] + d · scales[6], of what dot16 returns. */
// @ts-ignore: decorator
@inline
function scaled(a: v128, b: v128, c: v128, d: v128, scales: v128, s: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    s = mac(a, v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0), s);
    s = mac(b, v128.shuffle<i16>(scales, scales, 2, 2, 2, 2, 2, 2, 2, 2), s);
    s = mac(c, v128.shuffle<i16>(scales, scales, 4, 4, 4, 4, 4, 4, 4, 4), s);
    return mac(d, v128.shuffle<i16>(scales, scales, 6, 6, 6, 6, 6, 6, 6, 6), s);
  } else {
    s = mac(i16x8.narrow_i32x4_s(a, b), v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 2, 2, 2, 2), s);
    return mac(i16x8.narrow_i32x4_s(c, d), v128.shuffle<i16>(scales, scales, 4, 4, 4, 4, 6, 6, 6, 6), s);
  }
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

/** out[rows] = w[rows, K] · x[K]. Codes stay unsigned: 32 · Σ scale · sum16 comes off at the end of a block. */
export function matvecQ6_K(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  matvecRows<Q6_KRows>(w, x, out, rows, K, scratch);
}

/** A row's sums for combine, and each block's d as it is. */
function blockSums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void {
  const four = opaque(i8x16.splat(15), K), two = opaque(i8x16.splat(48), K), byte = opaque(i16x8.splat(255), K);
  const step: usize = ASC_FEATURE_RELAXED_SIMD ? 16 : 32; // bytes of 16 activations
  let inputSums = x + sum16Offset(K, 256) + (b << 5);
  let q = ASC_FEATURE_RELAXED_SIMD ? x + qOffset(K, 256) + (b << 8) : x + wideOffset(K, 256) + (b << 9);
  for (const end = w + count * 210; w < end; w += 210, inputSums += 32, sums += 16, d += 16) {
    const top = i16x8.extend_high_i8x16_s(v128.load(w, 192));
    let scales = i16x8.extend_low_i8x16_s(v128.load(w, 192));
    let s = mac(top, v128.load(inputSums, 16), i32x4.dot_i16x8_s(scales, v128.load(inputSums)));
    s = i32x4.neg(i32x4.shl(s, 5));
    let p = w, high = w + 128;
    for (const blockEnd = w + 128; p < blockEnd; p += 32) { // two steps of 16 bytes, then over the other 32 of the half
      for (const stepEnd = p + 32; p < stepEnd; p += 16) {
        const v = v128.load(p), u = v128.load(p, 32), h = v128.load(high);
        const a = dot16(low6(v, i16x8.shl(h, 4), four, two), q, byte), b = dot16(low6(u, i16x8.shl(h, 2), four, two), q + 2 * step, byte);
        const c = dot16(high6(v, h, four, two), q + 4 * step, byte), e = dot16(high6(u, i16x8.shr_u(h, 2), four, two), q + 6 * step, byte);
        s = scaled(a, b, c, e, scales, s);
        scales = v128.shuffle<i16>(scales, scales, 1, 2, 3, 4, 5, 6, 7, 0);
        q += step; high += 16;
      }
      scales = top;
      q += 6 * step;
    }
    v128.store(sums, s);
    store<u16>(d, load<u16>(w, 208), 2);
  }
}
