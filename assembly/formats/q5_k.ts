import { qOffset, sum32Offset, wideOffset } from "../matmul/activation";
import { combineMins } from "../matmul/combine";
import { matvecRows } from "../matmul/streams";
import { f16, mac, opaque, rdot16 } from "../simd";
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

/** Σ code · x over 32 codes: pairs in i16 (relaxed, 31 · 127 · 4 fits), or fours in i32 lanes that fit i16 (8 · 31 · 127). */
// @ts-ignore: decorator
@inline
function dot32(a: v128, b: v128, q: usize, byte: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(rdot16(v128.load(q), a), rdot16(v128.load(q, 16), b));
  else {
    const s = mac(i16x8.shr_u(a, 8), v128.load(q, 16), i32x4.dot_i16x8_s(v128.and(a, byte), v128.load(q)));
    return mac(i16x8.shr_u(b, 8), v128.load(q, 48), mac(v128.and(b, byte), v128.load(q, 32), s));
  }
}

/** s + low · scales[0] + high · scales[1], of what dot32 returns. */
// @ts-ignore: decorator
@inline
function scaled(low: v128, high: v128, scales: v128, s: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const first = v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0), second = v128.shuffle<i16>(scales, scales, 1, 1, 1, 1, 1, 1, 1, 1);
    return i32x4.add(s, mac(high, second, i32x4.dot_i16x8_s(low, first)));
  } else return mac(i16x8.narrow_i32x4_s(low, high), v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 1, 1, 1, 1), s);
}

@unmanaged
class Q5_KRows {
  @inline get bytes(): usize { return 176; }
  @inline get sumBytes(): usize { return 32; }
  @inline get run(): usize { return 6; }
  @inline sums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void { blockSums(w, count, x, b, K, sums, d); }
  @inline combine(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
    combineMins(out, n, apart, sums, d, scale, blocks);
  }
}

/** out[rows] = w[rows, K] · x[K] */
export function matvecQ5_K(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  matvecRows<Q5_KRows>(w, x, out, rows, K, scratch);
}

/** A row's sums for combineMins, and each block's d and dmin as they are. */
function blockSums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void {
  const four = opaque(i8x16.splat(15), K), fifth = opaque(i8x16.splat(16), K), byte = opaque(i16x8.splat(255), K);
  const half: usize = ASC_FEATURE_RELAXED_SIMD ? 32 : 64; // bytes of 32 activations
  let inputSums = x + sum32Offset(K, 256) + (b << 4);
  let q = ASC_FEATURE_RELAXED_SIMD ? x + qOffset(K, 256) + (b << 8) : x + wideOffset(K, 256) + (b << 9);
  for (const end = w + count * 176; w < end; inputSums += 16, sums += 32, d += 16) {
    let scales = i16x8.extend_low_i8x16_u(i64x2.splat(<i64>sixBitScales(w + 4))), bitsA = v128.load(w, 16), bitsB = v128.load(w, 32);
    v128.store(sums, i32x4.dot_i16x8_s(sixBitMins(w + 4), v128.load(inputSums)));
    store<u32>(d, load<u32>(w));
    let s = i32x4.splat(0);
    w += 48;
    for (const blockEnd = w + 128; w < blockEnd; w += 32) {
      const a = v128.load(w), b = v128.load(w, 16);
      const low = dot32(low5(a, bitsA, four, fifth), low5(b, bitsB, four, fifth), q, byte);
      const high = dot32(high5(a, bitsA, four, fifth), high5(b, bitsB, four, fifth), q + half, byte);
      s = scaled(low, high, scales, s);
      scales = v128.shuffle<i32>(scales, scales, 1, 2, 3, 0);
      bitsA = i16x8.shr_u(bitsA, 2);
      bitsB = i16x8.shr_u(bitsB, 2);
      q += half << 1;
    }
    v128.store(sums, s, 16);
  }
}
