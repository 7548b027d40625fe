import { qOffset, sum32Offset } from "../matmul/activation";
import { combineMins } from "../matmul/combine";
import { matvecRows } from "../matmul/streams";
import { f16, f16Bits, f16Rebias, f16x4, mac, opaque, rdot16 } from "../simd";
import { WORDS_BYTES, WORDS_CODES, WORDS_SCALES, putScales } from "./cells";
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

/** `blocks` blocks of the rows at a, b, c, d -> cells of words; see matmul/few_words.ts. */
export function wordsQ4_K(a: usize, b: usize, c: usize, d: usize, blocks: u32, cell: usize): void {
  const four = opaque(i8x16.splat(15), blocks), six = opaque(i8x16.splat(0x3f), blocks), code = opaque(i16x8.splat(15), blocks);
  const bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  for (const end = cell + <usize>blocks * WORDS_BYTES; cell < end; cell += WORDS_BYTES) {
    putHead(a, b, c, d, cell, WORDS_SCALES, 32, true, four, six, bits, rebias);
    for (let to = cell + WORDS_CODES, end = cell + WORDS_BYTES; to < end; to += 512) {
      wordsOf16(a + 16, b + 16, c + 16, d + 16, to, code);
      wordsOf16(a + 32, b + 32, c + 32, d + 32, to + 128, code);
      a += 32; b += 32; c += 32; d += 32;
    }
    a += 16; b += 16; c += 16; d += 16;
  }
}

/** Sixteen bytes of four rows: sixteen codes of the low nibbles' sub-block and of the high ones'. */
// @ts-ignore: decorator
@inline
function wordsOf16(a: usize, b: usize, c: usize, d: usize, to: usize, code: v128): void {
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  putWords(to, v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(r, s, 0, 2), code);
  putWords(to + 64, v128.shuffle<i64>(p, q, 1, 3), v128.shuffle<i64>(r, s, 1, 3), code);
}

/** Eight bytes of two rows in v, of the others in u. Lines of the cache are written one after the other: by turns two tokens took 5 % longer. */
// @ts-ignore: decorator
@inline
function putWords(to: usize, v: v128, u: v128, code: v128): void {
  v128.store(to, v128.and(v, code));
  v128.store(to, v128.and(i16x8.shr_u(v, 8), code), 16);
  v128.store(to, v128.and(u, code), 32);
  v128.store(to, v128.and(i16x8.shr_u(u, 8), code), 48);
  v128.store(to, v128.and(i16x8.shr_u(v, 4), code), 256);
  v128.store(to, i16x8.shr_u(v, 12), 272);
  v128.store(to, v128.and(i16x8.shr_u(u, 4), code), 288);
  v128.store(to, i16x8.shr_u(u, 12), 304);
}

/** The block of four rows -> cell; see matmul/few_cells.ts. */
export function cellQ4_K(a: usize, b: usize, c: usize, d: usize, cell: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), six = opaque(i8x16.splat(0x3f), n);
  putHead(a, b, c, d, cell, 96, 144, false, four, six, opaque(f16Bits(), n), opaque(f16Rebias(), n));
  cellChunk(a + 16, b + 16, c + 16, d + 16, cell + 112, four);
  cellChunk(a + 48, b + 48, c + 48, d + 48, cell + 400, four);
  cellChunk(a + 80, b + 80, c + 80, d + 80, cell + 688, four);
  cellChunk(a + 112, b + 112, c + 112, d + 112, cell + 976, four);
}

/** What stands before the codes in cells of both kinds; scales at `to`, `step` bytes from one to the next, `twice`: each again 16 bytes further. */
// @ts-ignore: decorator
@inline
function putHead(a: usize, b: usize, c: usize, d: usize, cell: usize, to: usize, step: usize, twice: bool, four: v128, six: v128, bits: v128, rebias: v128): void {
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5);
  const tu = v128.shuffle<i32>(p, q, 2, 6, 3, 7), vw = v128.shuffle<i32>(r, s, 2, 6, 3, 7);
  const halves = v128.shuffle<i64>(pq, rs, 0, 2), scales = v128.shuffle<i64>(pq, rs, 1, 3);
  const mins = v128.shuffle<i64>(tu, vw, 0, 2), top = v128.shuffle<i64>(tu, vw, 1, 3);
  v128.store(cell, f16x4(i32x4.shl(halves, 16), bits, rebias));
  v128.store(cell, f32x4.neg(f16x4(halves, bits, rebias)), 16);
  putMins(cell + 32, v128.and(mins, six));
  putMins(cell + 64, highSix(i16x8.shr_u(top, 4), mins, four, six));
  putByteScales(cell + to, v128.and(scales, six), step, twice);
  putByteScales(cell + to + 4 * step, highSix(top, scales, four, six), step, twice);
}

// @ts-ignore: decorator
@inline
function putByteScales(to: usize, bytes: v128, step: usize, twice: bool): void {
  const even = i16x8.shr_u(i16x8.shl(bytes, 8), 8), odd = i16x8.shr_u(bytes, 8);
  putScales(to, even, odd, step);
  if (twice) putScales(to + 16, even, odd, step);
}

/** Four mins of four rows, a byte each, -> pairs, i16[2][4][2]. */
// @ts-ignore: decorator
@inline
function putMins(to: usize, bytes: v128): void {
  const p = i16x8.extend_low_i8x16_u(bytes), q = i16x8.extend_high_i8x16_u(bytes);
  v128.store(to, v128.shuffle<i32>(p, q, 0, 2, 4, 6));
  v128.store(to, v128.shuffle<i32>(p, q, 1, 3, 5, 7), 16);
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
    rowSums(w, count, inputSums, x + qOffset(K, 256) + (b << 8), opaque(i8x16.splat(15), K), sums, d);
  }
  @inline combine(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
    combineMins(out, n, apart, sums, d, scale, blocks);
  }
}

/** out[rows] = w[rows, K] · x[K], relaxed build only. */
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
function rowSums(w: usize, count: usize, inputSums: usize, q: usize, four: v128, sums: usize, d: usize): void {
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
