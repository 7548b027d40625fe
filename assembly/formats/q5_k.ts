import { qOffset, sum32Offset, wideOffset } from "../matmul/activation";
import { f16, fma4, mac, opaque, rdot16, total } from "../simd";
import { putHeader, sixBitMins, sixBitScales } from "./six_bits";
import { put16 } from "./strip";

// f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 32 bytes of fifth bits (bit s of byte l: element 32 s + l), 128 bytes of nibbles
// as in Q4_K. 176 bytes. w = d · scale[s] · code - dmin · min[s], sub-blocks s of 32.

/** Codes of a chunk's first 32 and last 32: nibbles with the two lowest of the remaining fifth bits. `bits` is shifted by 2 a chunk. */
// @ts-ignore: decorator
@inline
function low5(v: v128, bits: v128, four: v128, fifth: v128): v128 {
  return v128.or(v128.and(v, four), v128.and(i16x8.shl(bits, 4), fifth));
}
// @ts-ignore: decorator
@inline
function high5(v: v128, bits: v128, four: v128, fifth: v128): v128 {
  return v128.or(v128.and(i16x8.shr_u(v, 4), four), v128.and(i16x8.shl(bits, 3), fifth));
}

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ5_K(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), fifth = opaque(i8x16.splat(16), n), mins = sixBitMins(p + 4);
  let scales = sixBitScales(p + 4), bitsA = v128.load(p, 16), bitsB = v128.load(p, 32);
  store<f32>(d, f16(p));
  store<f32>(dm, f16(p + 2));
  v128.store(m, v128.shuffle<i16>(mins, mins, 0, 0, 1, 1, 2, 2, 3, 3));
  v128.store(m, v128.shuffle<i16>(mins, mins, 4, 4, 5, 5, 6, 6, 7, 7), 16);
  p += 48;
  for (const end = p + 128; p < end; p += 32) {
    const a = v128.load(p), b = v128.load(p, 16);
    const low = i16x8.splat(<i16>(scales & 255)), high = i16x8.splat(<i16>((scales >> 8) & 255));
    put16(q, low5(a, bitsA, four, fifth), low);
    put16(q + 32, low5(b, bitsB, four, fifth), low);
    put16(q + 64, high5(a, bitsA, four, fifth), high);
    put16(q + 96, high5(b, bitsB, four, fifth), high);
    bitsA = i16x8.shr_u(bitsA, 2);
    bitsB = i16x8.shr_u(bitsB, 2);
    scales >>= 16; q += 128;
  }
}

/** One block -> strip of codes. */
// @ts-ignore: decorator
@inline
export function unpackCodesQ5_K(p: usize, q: usize, scale: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), fifth = opaque(i8x16.splat(16), n);
  let bitsA = v128.load(p, 16), bitsB = v128.load(p, 32);
  putHeader(p, scale, m, d, dm);
  p += 48;
  for (const end = p + 128; p < end; p += 32) {
    const a = v128.load(p), b = v128.load(p, 16);
    v128.store(q, low5(a, bitsA, four, fifth));
    v128.store(q, low5(b, bitsB, four, fifth), 16);
    v128.store(q, high5(a, bitsA, four, fifth), 32);
    v128.store(q, high5(b, bitsB, four, fifth), 48);
    bitsA = i16x8.shr_u(bitsA, 2);
    bitsB = i16x8.shr_u(bitsB, 2);
    q += 64;
  }
}

/** Sixteen codes times their activations: i16 pair sums (relaxed) need a widening dot later, so both forms return i32 sums times `scale`. */
// @ts-ignore: decorator
@inline
function dot32(a: v128, b: v128, q: usize, scale: i32, byte: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const pairs = i16x8.add(rdot16(v128.load(q), a), rdot16(v128.load(q, 16), b)); // 31 · 127 · 4 fits i16
    return i32x4.dot_i16x8_s(pairs, i16x8.splat(<i16>scale));
  } else {
    let s = i32x4.dot_i16x8_s(v128.and(a, byte), v128.load(q));
    s = mac(i16x8.shr_u(a, 8), v128.load(q, 16), s);
    s = mac(v128.and(b, byte), v128.load(q, 32), s);
    s = mac(i16x8.shr_u(b, 8), v128.load(q, 48), s);
    return i32x4.mul(s, i32x4.splat(scale));
  }
}

/** out[rows] = w[rows, K] · x[K] */
export function matvecQ5_K(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const four = opaque(i8x16.splat(15), K), fifth = opaque(i8x16.splat(16), K), byte = opaque(i16x8.splat(255), K);
  const rowBytes = <usize>(K >> 8) * 176, sums = x + sum32Offset(K, 256);
  const q0 = ASC_FEATURE_RELAXED_SIMD ? x + qOffset(K, 256) : x + wideOffset(K, 256);
  const half: usize = ASC_FEATURE_RELAXED_SIMD ? 32 : 64; // bytes of 32 activations
  for (const last = out + (<usize>rows << 2); out < last; out += 4) {
    let scale = x, sum = sums, q = q0, acc = f32x4.splat(0);
    for (const end = w + rowBytes; w < end; ) {
      let scales = sixBitScales(w + 4), bitsA = v128.load(w, 16), bitsB = v128.load(w, 32);
      const dx = load<f32>(scale), d = f16(w) * dx;
      acc = fma4(f32x4.convert_i32x4_s(total(i32x4.dot_i16x8_s(sixBitMins(w + 4), v128.load(sum)))), f32x4.splat(-f16(w + 2) * dx), acc);
      let s = i32x4.splat(0);
      w += 48;
      for (const blockEnd = w + 128; w < blockEnd; w += 32) {
        const a = v128.load(w), b = v128.load(w, 16);
        s = i32x4.add(s, dot32(low5(a, bitsA, four, fifth), low5(b, bitsB, four, fifth), q, <i32>(scales & 255), byte));
        s = i32x4.add(s, dot32(high5(a, bitsA, four, fifth), high5(b, bitsB, four, fifth), q + half, <i32>((scales >> 8) & 255), byte));
        bitsA = i16x8.shr_u(bitsA, 2);
        bitsB = i16x8.shr_u(bitsB, 2);
        scales >>= 16; q += half << 1;
      }
      acc = fma4(f32x4.convert_i32x4_s(total(s)), f32x4.splat(d), acc);
      scale += 4; sum += 16;
    }
    store<f32>(out, f32x4.extract_lane(acc, 0));
  }
}
