/** Formats in superblocks of 256: f16 scales a superblock, integer scales for its sub-blocks of 16 or 32. */

import { f16ToF32 } from "./floats.ts";
import { IQ4_LEVELS } from "./legacy.ts";
import { eachBlock, type Row, u16 } from "./row.ts";

const BLOCK = 256;

/** w = d · scale[i / 16] · q - dmin · min[i / 16]; scale and min are nibbles of one byte */
export const Q2_K: Row = {
  ggmlType: 10,
  blockSize: BLOCK,
  blockBytes: 84,
  dequantize: eachBlock(BLOCK, 84, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p + 80));
    const dmin = f16ToF32(u16(b, p + 82));
    for (let i = 0; i < BLOCK; i++) {
      const scale = b[p + (i >> 4)]!;
      const q = pair(b, p + 16, i);
      out[o + i] = Math.fround(Math.fround(d * (scale & 15)) * q) - Math.fround(dmin * (scale >> 4));
    }
  }),
};

/** w = d · (scale[i / 16] - 32) · (q - 4), q's third bits apart in 32 bytes */
export const Q3_K: Row = {
  ggmlType: 11,
  blockSize: BLOCK,
  blockBytes: 110,
  dequantize: eachBlock(BLOCK, 110, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p + 108));
    for (let i = 0; i < BLOCK; i++) {
      const s = i >> 4;
      const low = s < 8 ? b[p + 96 + s]! & 15 : b[p + 88 + s]! >> 4;
      const high = (b[p + 104 + (s & 3)]! >> (2 * (s >> 2))) & 3;
      const third = (b[p + (i & 31)]! >> (i >> 5)) & 1;
      out[o + i] = Math.fround(d * ((low | (high << 4)) - 32)) * ((pair(b, p + 32, i) | (third << 2)) - 4);
    }
  }),
};

/** w = d · scale[i / 32] · q - dmin · min[i / 32] */
export const Q4_K: Row = {
  ggmlType: 12,
  blockSize: BLOCK,
  blockBytes: 144,
  dequantize: eachBlock(BLOCK, 144, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    const dmin = f16ToF32(u16(b, p + 2));
    for (let i = 0; i < BLOCK; i++) {
      const [scale, min] = sixBits(b, p + 4, i >> 5);
      out[o + i] = Math.fround(Math.fround(d * scale) * chunkNibble(b, p + 16, i)) - Math.fround(dmin * min);
    }
  }),
};

/** As Q4_K, q's fifth bits apart in 32 bytes: bit s of byte l belongs to element 32 s + l */
export const Q5_K: Row = {
  ggmlType: 13,
  blockSize: BLOCK,
  blockBytes: 176,
  dequantize: eachBlock(BLOCK, 176, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    const dmin = f16ToF32(u16(b, p + 2));
    for (let i = 0; i < BLOCK; i++) {
      const [scale, min] = sixBits(b, p + 4, i >> 5);
      const fifth = (b[p + 16 + (i & 31)]! >> (i >> 5)) & 1;
      const q = chunkNibble(b, p + 48, i) | (fifth << 4);
      out[o + i] = Math.fround(Math.fround(d * scale) * q) - Math.fround(dmin * min);
    }
  }),
};

/** w = d · scale[i / 16] · (q - 32), scales int8, q as 4 low and 2 high bits apart */
export const Q6_K: Row = {
  ggmlType: 14,
  blockSize: BLOCK,
  blockBytes: 210,
  dequantize: eachBlock(BLOCK, 210, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p + 208));
    for (let i = 0; i < BLOCK; i++) {
      const half = i >> 7;
      const quarter = (i >> 5) & 3; // of a half: low bits of quarters 0, 1 in low nibbles, of 2, 3 in high ones
      const low = (b[p + 64 * half + (i & 63)]! >> (4 * (quarter >> 1))) & 15;
      const high = (b[p + 128 + 32 * half + (i & 31)]! >> (2 * quarter)) & 3;
      const scale = (b[p + 192 + (i >> 4)]! << 24) >> 24;
      out[o + i] = Math.fround(d * scale) * ((low | (high << 4)) - 32);
    }
  }),
};

/** w = d · (scale[i / 32] - 32) · level[q] */
export const IQ4_XS: Row = {
  ggmlType: 23,
  blockSize: BLOCK,
  blockBytes: 136,
  dequantize: eachBlock(BLOCK, 136, (b, p, out, o) => {
    const d = f16ToF32(u16(b, p));
    const highBits = u16(b, p + 2);
    for (let i = 0; i < BLOCK; i++) {
      const s = i >> 5;
      const low = (b[p + 4 + (s >> 1)]! >> (4 * (s & 1))) & 15;
      const high = (highBits >> (2 * s)) & 3;
      const q = (b[p + 8 + 16 * s + (i & 15)]! >> ((i >> 4) & 1 ? 4 : 0)) & 15;
      out[o + i] = Math.fround(d * ((low | (high << 4)) - 32)) * IQ4_LEVELS[q]!;
    }
  }),
};

/** Two-bit code i: each half of 128 has 32 bytes, whose bit pairs 0..3 are its four runs of 32. */
function pair(b: Uint8Array, p: number, i: number): number {
  return (b[p + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
}

/** Four-bit code i: each chunk of 64 has 32 bytes, low nibbles first. */
function chunkNibble(b: Uint8Array, p: number, i: number): number {
  return (b[p + 32 * (i >> 6) + (i & 31)]! >> (4 * ((i >> 5) & 1))) & 15;
}

/** Scale and min s of eight, six bits each in 12 bytes: the last four borrow the top bits of the first eight bytes. */
function sixBits(b: Uint8Array, p: number, s: number): [scale: number, min: number] {
  if (s < 4) return [b[p + s]! & 63, b[p + s + 4]! & 63];
  const both = b[p + s + 4]!;
  return [(both & 15) | ((b[p + s - 4]! >> 6) << 4), (both >> 4) | ((b[p + s]! >> 6) << 4)];
}
