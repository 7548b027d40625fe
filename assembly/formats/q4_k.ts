import { qOffset, sum32Offset, wideOffset } from "../matmul/activation";
import { combineMins } from "../matmul/combine";
import { matvecRows } from "../matmul/streams";
import { f16, f16Bits, f16Rebias, f16x4, mac, opaque, rdot16 } from "../simd";
import { putScales } from "./cells";
import { highSix, putHeader, sixBitMins, sixBitScales } from "./six_bits";
import { put16 } from "./strip";

// f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 128 bytes: four chunks of 64 codes, low nibbles first. 144 bytes.
// w = d · scale[s] · code - dmin · min[s], sub-blocks s of 32.

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ4_K(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), mins = sixBitMins(p + 4);
  let scales = sixBitScales(p + 4);
  store<f32>(d, f16(p));
  store<f32>(dm, f16(p + 2));
  v128.store(m, v128.shuffle<i16>(mins, mins, 0, 0, 1, 1, 2, 2, 3, 3));
  v128.store(m, v128.shuffle<i16>(mins, mins, 4, 4, 5, 5, 6, 6, 7, 7), 16);
  p += 16;
  for (const end = p + 128; p < end; p += 32) {
    const a = v128.load(p), b = v128.load(p, 16);
    const low = i16x8.splat(<i16>(scales & 255)), high = i16x8.splat(<i16>((scales >> 8) & 255));
    put16(q, v128.and(a, four), low);
    put16(q + 32, v128.and(b, four), low);
    put16(q + 64, v128.and(i16x8.shr_u(a, 4), four), high);
    put16(q + 96, v128.and(i16x8.shr_u(b, 4), four), high);
    scales >>= 16; q += 128;
  }
}

/** One block -> strip of codes. */
// @ts-ignore: decorator
@inline
export function unpackCodesQ4_K(p: usize, q: usize, scale: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n);
  putHeader(p, scale, m, d, dm);
  p += 16;
  for (const end = p + 128; p < end; p += 32) {
    const a = v128.load(p), b = v128.load(p, 16);
    v128.store(q, v128.and(a, four));
    v128.store(q, v128.and(b, four), 16);
    v128.store(q, v128.and(i16x8.shr_u(a, 4), four), 32);
    v128.store(q, v128.and(i16x8.shr_u(b, 4), four), 48);
    q += 64;
  }
}

/** One block -> i16, evens then odds of each sixteen; see table.unpackFour. Four chunks in a row: as a loop it takes a third longer. */
// @ts-ignore: decorator
@inline
export function unpackWideQ4_K(p: usize, q: usize, m: usize, d: usize, n: u32): void {
  const four = opaque(i16x8.splat(15), n), scales = i16x8.extend_low_i8x16_u(i64x2.splat(<i64>sixBitScales(p + 4)));
  store<u32>(d, load<u32>(p));
  v128.store(m, sixBitMins(p + 4));
  chunkWide(p + 16, q, v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0), v128.shuffle<i16>(scales, scales, 1, 1, 1, 1, 1, 1, 1, 1), four);
  chunkWide(p + 48, q + 128, v128.shuffle<i16>(scales, scales, 2, 2, 2, 2, 2, 2, 2, 2), v128.shuffle<i16>(scales, scales, 3, 3, 3, 3, 3, 3, 3, 3), four);
  chunkWide(p + 80, q + 256, v128.shuffle<i16>(scales, scales, 4, 4, 4, 4, 4, 4, 4, 4), v128.shuffle<i16>(scales, scales, 5, 5, 5, 5, 5, 5, 5, 5), four);
  chunkWide(p + 112, q + 384, v128.shuffle<i16>(scales, scales, 6, 6, 6, 6, 6, 6, 6, 6), v128.shuffle<i16>(scales, scales, 7, 7, 7, 7, 7, 7, 7, 7), four);
}

/** 64 codes times the scales of the low and the high nibbles. */
// @ts-ignore: decorator
@inline
function chunkWide(p: usize, q: usize, low: v128, high: v128, four: v128): void {
  const a = v128.load(p), b = v128.load(p, 16);
  v128.store(q, i16x8.mul(v128.and(a, four), low));
  v128.store(q, i16x8.mul(v128.and(i16x8.shr_u(a, 8), four), low), 16);
  v128.store(q, i16x8.mul(v128.and(b, four), low), 32);
  v128.store(q, i16x8.mul(v128.and(i16x8.shr_u(b, 8), four), low), 48);
  v128.store(q, i16x8.mul(v128.and(i16x8.shr_u(a, 4), four), high), 64);
  v128.store(q, i16x8.mul(i16x8.shr_u(a, 12), high), 80);
  v128.store(q, i16x8.mul(v128.and(i16x8.shr_u(b, 4), four), high), 96);
  v128.store(q, i16x8.mul(i16x8.shr_u(b, 12), high), 112);
}

/** The block of four rows -> cell; see matmul/few_cells.ts. */
export function cellQ4_K(a: usize, b: usize, c: usize, d: usize, cell: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), six = opaque(i8x16.splat(0x3f), n), low = opaque(i32x4.splat(0xffff), n);
  const bits = opaque(f16Bits(), n), rebias = opaque(f16Rebias(), n);
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5);
  const tu = v128.shuffle<i32>(p, q, 2, 6, 3, 7), vw = v128.shuffle<i32>(r, s, 2, 6, 3, 7);
  const halves = v128.shuffle<i64>(pq, rs, 0, 2), scales = v128.shuffle<i64>(pq, rs, 1, 3);
  const mins = v128.shuffle<i64>(tu, vw, 0, 2), top = v128.shuffle<i64>(tu, vw, 1, 3);
  v128.store(cell, f16x4(i32x4.shl(halves, 16), bits, rebias));
  v128.store(cell, f32x4.neg(f16x4(halves, bits, rebias)), 16);
  putMins(cell + 32, v128.and(mins, six), low);
  putMins(cell + 64, highSix(i16x8.shr_u(top, 4), mins, four, six), low);
  putByteScales(cell + 96, v128.and(scales, six));
  putByteScales(cell + 672, highSix(top, scales, four, six));
  cellChunk(a + 16, b + 16, c + 16, d + 16, cell + 112, four);
  cellChunk(a + 48, b + 48, c + 48, d + 48, cell + 400, four);
  cellChunk(a + 80, b + 80, c + 80, d + 80, cell + 688, four);
  cellChunk(a + 112, b + 112, c + 112, d + 112, cell + 976, four);
}

// @ts-ignore: decorator
@inline
function putByteScales(to: usize, bytes: v128): void {
  putScales(to, i16x8.shr_u(i16x8.shl(bytes, 8), 8), i16x8.shr_u(bytes, 8), 144);
}

/** Four mins of four rows, a byte each, -> pairs, i16[2][4][2]. `low` = splat(0xffff). */
// @ts-ignore: decorator
@inline
function putMins(to: usize, bytes: v128, low: v128): void {
  const even = i16x8.shr_u(i16x8.shl(bytes, 8), 8), odd = i16x8.shr_u(bytes, 8);
  v128.store(to, v128.or(v128.and(even, low), i32x4.shl(odd, 16)));
  v128.store(to, v128.or(i32x4.shr_u(even, 16), v128.andnot(odd, low)), 16);
}

/** 64 codes of four rows: the sub-blocks of the low and of the high nibbles. */
// @ts-ignore: decorator
@inline
function cellChunk(a: usize, b: usize, c: usize, d: usize, to: usize, four: v128): void {
  let p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  putNibbles(to, v128.shuffle<i64>(p, q, 0, 2), four);
  putNibbles(to + 16, v128.shuffle<i64>(r, s, 0, 2), four);
  putNibbles(to + 32, v128.shuffle<i64>(p, q, 1, 3), four);
  putNibbles(to + 48, v128.shuffle<i64>(r, s, 1, 3), four);
  p = v128.load(a, 16); q = v128.load(b, 16); r = v128.load(c, 16); s = v128.load(d, 16);
  putNibbles(to + 64, v128.shuffle<i64>(p, q, 0, 2), four);
  putNibbles(to + 80, v128.shuffle<i64>(r, s, 0, 2), four);
  putNibbles(to + 96, v128.shuffle<i64>(p, q, 1, 3), four);
  putNibbles(to + 112, v128.shuffle<i64>(r, s, 1, 3), four);
}

// @ts-ignore: decorator
@inline
function putNibbles(to: usize, v: v128, four: v128): void {
  v128.store(to, v128.and(v, four));
  v128.store(to, v128.and(i16x8.shr_u(v, 4), four), 144);
}

@unmanaged
class Q4_KRows {
  @inline get bytes(): usize { return 144; }
  @inline get sumBytes(): usize { return 32; }
  @inline get run(): usize { return 8; }
  @inline sums(w: usize, count: usize, x: usize, b: usize, K: u32, sums: usize, d: usize): void {
    const inputSums = x + sum32Offset(K, 256) + (b << 4);
    if (ASC_FEATURE_RELAXED_SIMD) rowRelaxed(w, count, inputSums, x + qOffset(K, 256) + (b << 8), opaque(i8x16.splat(15), K), sums, d);
    else rowWide(w, count, inputSums, x + wideOffset(K, 256) + (b << 9), opaque(i16x8.splat(15), K), sums, d);
  }
  @inline combine(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
    combineMins(out, n, apart, sums, d, scale, blocks);
  }
}

/** out[rows] = w[rows, K] · x[K] */
export function matvecQ4_K(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  matvecRows<Q4_KRows>(w, x, out, rows, K, scratch);
}

/** A block's sums for combineMins, and its d and dmin as they are. */
// @ts-ignore: decorator
@inline
function putSums(sums: usize, d: usize, w: usize, inputSums: usize, s: v128): void {
  v128.store(sums, i32x4.dot_i16x8_s(sixBitMins(w + 4), v128.load(inputSums)));
  v128.store(sums, s, 16);
  store<u32>(d, load<u32>(w));
}

/** int8 activations: pair sums of 15 · 127 · 2 by twos fit i16; the sub-block's scale rides on the widening dot. */
// @ts-ignore: decorator
@inline
function rowRelaxed(w: usize, count: usize, inputSums: usize, q: usize, four: v128, sums: usize, d: usize): void {
  for (const end = w + count * 144; w < end; w += 144, inputSums += 16, sums += 32, d += 16) {
    // Scales as a vector that is turned a step a chunk: a splat from a scalar register costs more (13 against 14.5 GB/s).
    let scales = i16x8.extend_low_i8x16_u(i64x2.splat(<i64>sixBitScales(w + 4))), s = i32x4.splat(0), p = w + 16;
    for (const blockEnd = q + 256; q < blockEnd; q += 64, p += 32) {
      const a = v128.load(p), b = v128.load(p, 16);
      const low = i16x8.add(rdot16(v128.load(q), v128.and(a, four)), rdot16(v128.load(q, 16), v128.and(b, four)));
      const high = i16x8.add(rdot16(v128.load(q, 32), v128.and(i16x8.shr_u(a, 4), four)), rdot16(v128.load(q, 48), v128.and(i16x8.shr_u(b, 4), four)));
      const sLow = v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 0, 0, 0, 0), sHigh = v128.shuffle<i16>(scales, scales, 1, 1, 1, 1, 1, 1, 1, 1);
      s = i32x4.add(s, mac(high, sHigh, i32x4.dot_i16x8_s(low, sLow)));
      scales = v128.shuffle<i32>(scales, scales, 1, 2, 3, 0);
    }
    putSums(sums, d, w, inputSums, s);
  }
}

/** Widened activations, evens then odds: shifts and masks of i16 lanes take four nibbles apart without a shuffle. */
// @ts-ignore: decorator
@inline
function rowWide(w: usize, count: usize, inputSums: usize, q: usize, four: v128, sums: usize, d: usize): void {
  for (const end = w + count * 144; w < end; w += 144, inputSums += 16, sums += 32, d += 16) {
    let scales = i16x8.extend_low_i8x16_u(i64x2.splat(<i64>sixBitScales(w + 4))), s = i32x4.splat(0), p = w + 16;
    for (const blockEnd = q + 512; q < blockEnd; ) {
      let low = i32x4.splat(0), high = low;
      for (const chunkEnd = p + 32; p < chunkEnd; p += 16) {
        const v = v128.load(p);
        low = i32x4.add(low, mac(v128.and(i16x8.shr_u(v, 8), four), v128.load(q, 16), i32x4.dot_i16x8_s(v128.and(v, four), v128.load(q))));
        high = i32x4.add(high, mac(i16x8.shr_u(v, 12), v128.load(q, 80), i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(v, 4), four), v128.load(q, 64))));
        q += 32;
      }
      q += 64; // the high nibbles' activations, read above
      // A lane has eight products, 8 · 15 · 127 at most: as i16 its scale rides on another dot, where i32x4.mul takes ten cycles.
      s = mac(i16x8.narrow_i32x4_s(low, high), v128.shuffle<i16>(scales, scales, 0, 0, 0, 0, 1, 1, 1, 1), s);
      scales = v128.shuffle<i32>(scales, scales, 1, 2, 3, 0);
    }
    putSums(sums, d, w, inputSums, s);
  }
}
