import { qOffset, sum16Offset, wideOffset } from "../matmul/activation";
import { f16, fma4, mac, opaque, rdot16, total } from "../simd";
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

/** scale · Σ code · x over sixteen codes, as four i32. */
// @ts-ignore: decorator
@inline
function dot16(codes: v128, q: usize, scale: usize, byte: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    return i32x4.dot_i16x8_s(rdot16(v128.load(q), codes), i16x8.splat(<i16>load<i8>(scale)));
  } else {
    const s = mac(i16x8.shr_u(codes, 8), v128.load(q, 16), i32x4.dot_i16x8_s(v128.and(codes, byte), v128.load(q)));
    return i32x4.mul(s, i32x4.splat(<i32>load<i8>(scale)));
  }
}

/** out[rows] = w[rows, K] · x[K]. Codes stay unsigned: 32 · Σ scale · sum16 comes off at the end of a block. */
export function matvecQ6_K(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const four = opaque(i8x16.splat(15), K), two = opaque(i8x16.splat(48), K), byte = opaque(i16x8.splat(255), K);
  const rowBytes = <usize>(K >> 8) * 210, sums = x + sum16Offset(K, 256);
  const q0 = ASC_FEATURE_RELAXED_SIMD ? x + qOffset(K, 256) : x + wideOffset(K, 256);
  const step: usize = ASC_FEATURE_RELAXED_SIMD ? 16 : 32; // bytes of 16 activations
  for (const last = out + (<usize>rows << 2); out < last; out += 4) {
    let dx = x, sum = sums, q = q0, acc = f32x4.splat(0);
    for (const end = w + rowBytes; w < end; w += 210) {
      const scales = v128.load(w, 192);
      let s = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(scales), v128.load(sum));
      s = mac(i16x8.extend_high_i8x16_s(scales), v128.load(sum, 16), s);
      s = i32x4.neg(i32x4.shl(s, 5));
      let p = w, high = w + 128, scale = w + 192;
      for (const blockEnd = w + 128; p < blockEnd; p += 32) { // two steps of 16 bytes, then over the other 32 of the half
        for (const stepEnd = p + 32; p < stepEnd; p += 16) {
          const v = v128.load(p), u = v128.load(p, 32), h = v128.load(high);
          s = i32x4.add(s, dot16(low6(v, i16x8.shl(h, 4), four, two), q, scale, byte));
          s = i32x4.add(s, dot16(low6(u, i16x8.shl(h, 2), four, two), q + 2 * step, scale + 2, byte));
          s = i32x4.add(s, dot16(high6(v, h, four, two), q + 4 * step, scale + 4, byte));
          s = i32x4.add(s, dot16(high6(u, i16x8.shr_u(h, 2), four, two), q + 6 * step, scale + 6, byte));
          q += step; high += 16; scale += 1;
        }
        q += 6 * step; scale += 6;
      }
      acc = fma4(f32x4.convert_i32x4_s(total(s)), f32x4.splat(f16(w + 208) * load<f32>(dx)), acc);
      dx += 4; sum += 32;
    }
    store<f32>(out, f32x4.extract_lane(acc, 0));
  }
}
