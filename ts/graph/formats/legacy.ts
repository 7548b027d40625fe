/** Formats in blocks of 32: one f16 scale a block, 4, 5 or 8 bits a weight. */

import { f16ToF32, f32ToF16 } from "./floats.ts";
import { eachBlock, type Row, u16 } from "./row.ts";

/** The sixteen levels of IQ4_NL and IQ4_XS. */
export const IQ4_LEVELS = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** The sixteen values of a 4-bit E2M1 float, doubled (the block's scale is halved in return). */
const E2M1_DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

const BLOCK = 32;

/** w = d · q */
export const Q8_0: Row = {
  ggmlType: 8,
  blockSize: BLOCK,
  blockBytes: 34,
  dequantize: eachBlock(BLOCK, 34, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    for (let i = 0; i < BLOCK; i++) out[o + i] = d * ((b[p + 2 + i]! << 24) >> 24);
  }),
  quantize(values) {
    const bytes = new Uint8Array((values.length / BLOCK) * 34);
    for (let o = 0, p = 0; o < values.length; o += BLOCK, p += 34) {
      let largest = 0;
      for (let i = 0; i < BLOCK; i++) largest = Math.max(largest, Math.abs(values[o + i]!));
      const d = Math.fround(largest / 127);
      const inverse = d ? Math.fround(1 / d) : 0;
      putU16(bytes, p, f32ToF16(d));
      for (let i = 0; i < BLOCK; i++) bytes[p + 2 + i] = roundAway(Math.fround(values[o + i]! * inverse));
    }
    return bytes;
  },
};

/** w = d · (q - 8) */
export const Q4_0: Row = {
  ggmlType: 2,
  blockSize: BLOCK,
  blockBytes: 18,
  dequantize: eachBlock(BLOCK, 18, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    for (let i = 0; i < BLOCK; i++) out[o + i] = d * (nibble(b, p + 2, i) - 8);
  }),
  quantize(values) {
    const bytes = new Uint8Array((values.length / BLOCK) * 18);
    for (let o = 0, p = 0; o < values.length; o += BLOCK, p += 18) {
      let extreme = 0; // the value of largest magnitude, with its sign: it becomes -8, the level without a positive twin
      for (let i = 0; i < BLOCK; i++) if (Math.abs(values[o + i]!) > Math.abs(extreme)) extreme = values[o + i]!;
      const d = Math.fround(extreme / -8);
      const inverse = d ? Math.fround(1 / d) : 0;
      const code = (i: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(values[o + i]! * inverse) + 8.5)));
      putU16(bytes, p, f32ToF16(d));
      for (let i = 0; i < 16; i++) bytes[p + 2 + i] = code(i) | (code(i + 16) << 4);
    }
    return bytes;
  },
};

/** w = d · q + m */
export const Q4_1: Row = {
  ggmlType: 3,
  blockSize: BLOCK,
  blockBytes: 20,
  dequantize: eachBlock(BLOCK, 20, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    const m = f16ToF32(u16(b, p + 2));
    for (let i = 0; i < BLOCK; i++) out[o + i] = Math.fround(d * nibble(b, p + 4, i)) + m;
  }),
};

/** w = d · (q - 16), q's fifth bits apart in 4 bytes */
export const Q5_0: Row = {
  ggmlType: 6,
  blockSize: BLOCK,
  blockBytes: 22,
  dequantize: eachBlock(BLOCK, 22, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    for (let i = 0; i < BLOCK; i++) out[o + i] = d * ((nibble(b, p + 6, i) | (bit(b, p + 2, i) << 4)) - 16);
  }),
};

/** w = d · q + m, q's fifth bits apart in 4 bytes */
export const Q5_1: Row = {
  ggmlType: 7,
  blockSize: BLOCK,
  blockBytes: 24,
  dequantize: eachBlock(BLOCK, 24, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    const m = f16ToF32(u16(b, p + 2));
    for (let i = 0; i < BLOCK; i++) out[o + i] = Math.fround(d * (nibble(b, p + 8, i) | (bit(b, p + 4, i) << 4))) + m;
  }),
};

/** w = d · level[q] */
export const IQ4_NL: Row = {
  ggmlType: 20,
  blockSize: BLOCK,
  blockBytes: 18,
  dequantize: eachBlock(BLOCK, 18, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    for (let i = 0; i < BLOCK; i++) out[o + i] = d * IQ4_LEVELS[nibble(b, p + 2, i)]!;
  }),
};

/** w = 2^(e - 128) · doubled E2M1 */
export const MXFP4: Row = {
  ggmlType: 39,
  blockSize: BLOCK,
  blockBytes: 17,
  dequantize: eachBlock(BLOCK, 17, (b, p, out, o) => {
    const d = 2 ** (b[p]! - 128);
    for (let i = 0; i < BLOCK; i++) out[o + i] = d * E2M1_DOUBLED[nibble(b, p + 1, i)]!;
  }),
};

/** Code i of a block of 32: low nibbles hold 0..15, high nibbles 16..31. */
function nibble(b: Uint8Array, p: number, i: number): number {
  return i < 16 ? b[p + i]! & 15 : b[p + i - 16]! >> 4;
}

function bit(b: Uint8Array, p: number, i: number): number {
  return (b[p + (i >> 3)]! >> (i & 7)) & 1;
}

function putU16(b: Uint8Array, p: number, value: number): void {
  b[p] = value & 255;
  b[p + 1] = value >> 8;
}

/** C's roundf: halves go away from zero. */
function roundAway(value: number): number {
  return value < 0 ? -Math.floor(-value + 0.5) : Math.floor(value + 0.5);
}
