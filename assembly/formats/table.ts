// The one place where a format's id becomes code.

import { Q8_256, Q8_32, activationRowBytes } from "../matmul/activation";
import { matvec32, unpack32, unpackCodes32 } from "./block32";
import { BF16Element, F16Element, F32Element, matvecFloat, widen } from "./floats";
import { BF16, F16, F32, IQ4_NL, IQ4_XS, MXFP4, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from "./ids";
import { IQ4_NLBlock } from "./iq4_nl";
import { matvecIQ4_XS, unpackIQ4_XS } from "./iq4_xs";
import { MXFP4Block } from "./mxfp4";
import { unpackQ2_K } from "./q2_k";
import { unpackQ3_K } from "./q3_k";
import { Q4_0Block } from "./q4_0";
import { Q4_1Block } from "./q4_1";
import { cellQ4_K, matvecQ4_K, unpackCodesQ4_K, unpackQ4_K, wordsQ4_K } from "./q4_k";
import { Q5_0Block } from "./q5_0";
import { Q5_1Block } from "./q5_1";
import { matvecQ5_K, unpackCodesQ5_K, unpackQ5_K } from "./q5_k";
import { cellQ6_K, matvecQ6_K, unpackCodesQ6_K, unpackQ6_K, wordsQ6_K } from "./q6_k";
import { matvecQ8_0, unpackQ8_0 } from "./q8_0";
import { STRIP_D, STRIP_DM, STRIP_M, STRIP_SCALE } from "./strip";
import { matvecStrips } from "./matvec_strips";

/** Whether the format multiplies f32 activations; the others take quantised ones. */
export function isFloat(format: u32): bool {
  return format == F32 || format == F16 || format == BF16;
}

/** Elements a block, of integer formats also the activations' block. */
export function blockSize(format: u32): u32 {
  if (isFloat(format)) return 1;
  switch (format) {
    case Q2_K: case Q3_K: case Q4_K: case Q5_K: case Q6_K: case IQ4_XS: return 256;
    default: return 32;
  }
}

export function blockBytes(format: u32): u32 {
  switch (format) {
    case F32: return 4;
    case F16: case BF16: return 2;
    case Q4_0: case IQ4_NL: return 18;
    case Q4_1: return 20;
    case Q5_0: return 22;
    case Q5_1: return 24;
    case Q8_0: return 34;
    case Q2_K: return 84;
    case Q3_K: return 110;
    case Q4_K: return 144;
    case Q5_K: return 176;
    case Q6_K: return 210;
    case IQ4_XS: return 136;
    case MXFP4: return 17;
    default: return 0;
  }
}

export function rowBytes(format: u32, K: u32): usize {
  return <usize>(K / blockSize(format)) * <usize>blockBytes(format);
}

/** Whether strips of the format have mins (dm, m). */
export function hasMins(format: u32): bool {
  return format == Q4_1 || format == Q5_1 || format == Q2_K || format == Q4_K || format == Q5_K;
}

/** Bytes from one row of what the matmul reads as x to the next: f32 x itself or quantised rows. */
export function inputRowBytes(format: u32, K: u32): usize {
  return isFloat(format) ? <usize>K << 2 : activationRowBytes(K, blockSize(format));
}

/** Up to 1024 weights of an integer format -> strip; see strip.ts. */
export function unpackStrip(format: u32, p: usize, count: u32, strip: usize): void {
  const end = strip + (<usize>count << 1);
  let q = strip, m = strip + STRIP_M, d = strip + STRIP_D, dm = strip + STRIP_DM;
  switch (format) {
    case Q4_0: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 18) unpack32<Q4_0Block>(p, q, m, d, dm, count); break;
    case Q4_1: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 20) unpack32<Q4_1Block>(p, q, m, d, dm, count); break;
    case Q5_0: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 22) unpack32<Q5_0Block>(p, q, m, d, dm, count); break;
    case Q5_1: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 24) unpack32<Q5_1Block>(p, q, m, d, dm, count); break;
    case IQ4_NL: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 18) unpack32<IQ4_NLBlock>(p, q, m, d, dm, count); break;
    case MXFP4: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 17) unpack32<MXFP4Block>(p, q, m, d, dm, count); break;
    case Q8_0: for (; q < end; q += 64, m += 4, d += 4, dm += 4, p += 34) unpackQ8_0(p, q, m, d, dm); break;
    case Q2_K: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 84) unpackQ2_K(p, q, m, d, dm, count); break;
    case Q3_K: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 110) unpackQ3_K(p, q, m, d, dm, count); break;
    case Q4_K: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 144) unpackQ4_K(p, q, m, d, dm, count); break;
    case Q5_K: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 176) unpackQ5_K(p, q, m, d, dm, count); break;
    case Q6_K: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 210) unpackQ6_K(p, q, m, d, dm, count); break;
    case IQ4_XS: for (; q < end; q += 512, m += 32, d += 4, dm += 4, p += 136) unpackIQ4_XS(p, q, m, d, dm, count); break;
  }
}

/**
 * Steps of four codes whose relaxed dots (two products a lane) may add up in i16 before they are widened:
 * 15 · 127 · 2 · 8, 31 · 127 · 2 · 4 and 63 · 127 · 2 · 2 all stay below 2^15. 0: no codes, strips are i16 (see strip.ts).
 */
export function codeSteps(format: u32): u32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  switch (format) {
    case Q4_0: case Q4_1: case Q4_K: return 8;
    case Q5_0: case Q5_1: case MXFP4: case Q5_K: return 4;
    case Q6_K: return 2;
    default: return 0;
  }
}

/** Up to 1024 weights of a format with codeSteps -> strip of codes. */
export function unpackCodes(format: u32, p: usize, count: u32, strip: usize): void {
  const end = strip + <usize>count;
  let q = strip, s = strip + STRIP_SCALE, m = strip + STRIP_M, d = strip + STRIP_D, dm = strip + STRIP_DM;
  switch (format) {
    case Q4_0: for (; q < end; q += 32, s += 4, m += 4, d += 4, dm += 4, p += 18) unpackCodes32<Q4_0Block>(p, q, s, m, d, dm, count); break;
    case Q4_1: for (; q < end; q += 32, s += 4, m += 4, d += 4, dm += 4, p += 20) unpackCodes32<Q4_1Block>(p, q, s, m, d, dm, count); break;
    case Q5_0: for (; q < end; q += 32, s += 4, m += 4, d += 4, dm += 4, p += 22) unpackCodes32<Q5_0Block>(p, q, s, m, d, dm, count); break;
    case Q5_1: for (; q < end; q += 32, s += 4, m += 4, d += 4, dm += 4, p += 24) unpackCodes32<Q5_1Block>(p, q, s, m, d, dm, count); break;
    case MXFP4: for (; q < end; q += 32, s += 4, m += 4, d += 4, dm += 4, p += 17) unpackCodes32<MXFP4Block>(p, q, s, m, d, dm, count); break;
    case Q4_K: for (; q < end; q += 256, s += 32, m += 32, d += 4, dm += 4, p += 144) unpackCodesQ4_K(p, q, s, m, d, dm, count); break;
    case Q5_K: for (; q < end; q += 256, s += 32, m += 32, d += 4, dm += 4, p += 176) unpackCodesQ5_K(p, q, s, m, d, dm, count); break;
    case Q6_K: for (; q < end; q += 256, s += 32, m += 32, d += 4, dm += 4, p += 210) unpackCodesQ6_K(p, q, s, m, d, dm, count); break;
  }
}

/** `count` weights of a float format -> f32. */
export function widenFloats(format: u32, p: usize, count: u32, out: usize): void {
  switch (format) {
    case F32: widen<F32Element>(p, out, count); break;
    case F16: widen<F16Element>(p, out, count); break;
    case BF16: widen<BF16Element>(p, out, count); break;
  }
}

/** out[rows] = w[rows, K] · x[K]; x = one row of inputRowBytes. Q4_K and Q6_K have it in the relaxed build, else matmul/few.ts (see gemm.ts). */
export function matvec(format: u32, w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  switch (format) {
    case F32: matvecFloat<F32Element>(w, x, out, rows, K); break;
    case F16: matvecFloat<F16Element>(w, x, out, rows, K); break;
    case BF16: matvecFloat<BF16Element>(w, x, out, rows, K); break;
    case Q4_0: matvec32<Q4_0Block>(w, x, out, rows, K); break;
    case Q4_1: matvec32<Q4_1Block>(w, x, out, rows, K); break;
    case Q5_0: matvec32<Q5_0Block>(w, x, out, rows, K); break;
    case Q5_1: matvec32<Q5_1Block>(w, x, out, rows, K); break;
    case IQ4_NL: matvec32<IQ4_NLBlock>(w, x, out, rows, K); break;
    case MXFP4: matvec32<MXFP4Block>(w, x, out, rows, K); break;
    case Q8_0: matvecQ8_0(w, x, out, rows, K); break;
    case Q4_K: if (ASC_FEATURE_RELAXED_SIMD) matvecQ4_K(w, x, out, rows, K, scratch); break;
    case Q5_K: matvecQ5_K(w, x, out, rows, K, scratch); break;
    case Q6_K: if (ASC_FEATURE_RELAXED_SIMD) matvecQ6_K(w, x, out, rows, K, scratch); break;
    case IQ4_XS: matvecIQ4_XS(w, x, out, rows, K); break;
    case Q2_K: case Q3_K: matvecStrips(format, w, x, out, rows, K, scratch); break;
  }
}

/** `blocks` blocks of four rows, at a, b, c, d, -> cells of words: see matmul/few_words.ts. Q4_K and Q6_K. */
export function packWords(format: u32, a: usize, b: usize, c: usize, d: usize, blocks: u32, cell: usize): void {
  if (format == Q4_K) wordsQ4_K(a, b, c, d, blocks, cell);
  else wordsQ6_K(a, b, c, d, blocks, cell);
}

/** A block of four rows, at a, b, c, d, -> cell: see matmul/few_cells.ts. Q4_K and Q6_K, relaxed build only. */
export function packCell(format: u32, a: usize, b: usize, c: usize, d: usize, cell: usize, n: u32): void {
  if (format == Q4_K) cellQ4_K(a, b, c, d, cell, n);
  else cellQ6_K(a, b, c, d, cell, n);
}
