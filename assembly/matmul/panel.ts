// What the GEMM tiles read: eight weight rows woven together (a panel), four token rows woven together (a quad).
//
// A stream of segments, one a block, or two where the format has mins, the mins first. A segment of s steps:
//   panel: f32 scale[8], then s · i16[8][2]     step = two neighbouring weights of each row
//   quad:  f32 scale[4], then s · i16[4][2]
// Data: B / 2 steps of q, scale d. Mins: B / 32 steps of m against the sums of 16 activations, scale -dm: Σ m·sum16 is a dot product too,
// so the tile needs no second code path.
// Formats with codes, in the relaxed build: panel_codes.ts. Float formats have neither: tile_float.ts.

import { blockBytes, blockSize, codeSteps, hasMins, rowBytes, unpackStrip } from "../formats/table";
import { Q8_0 } from "../formats/ids";
import { STRIP, STRIP_BYTES, STRIP_D, STRIP_DM, STRIP_M } from "../formats/strip";
import { f16Bits, f16Halves, f16Rebias, f16x4 } from "../simd";
import { qOffset, sum16Offset, wideOffset } from "./activation";
import { codePanelBytes, packCodePanel, packCodeQuad } from "./panel_codes";
import { weave, weave4, weaveSums } from "./weave";

export const PANEL_ROWS: u32 = 8;
export const QUAD_TOKENS: u32 = 4;

/** Bytes of a panel. */
export function panelBytes(format: u32, K: u32): usize {
  if (codeSteps(format) != 0) return codePanelBytes(format, K);
  const B = blockSize(format), steps = hasMins(format) ? (B >> 1) + (B >> 5) : B >> 1;
  return <usize>(K / B) * (<usize>(hasMins(format) ? 64 : 32) + (<usize>steps << 5));
}

/** Bytes of a quad, at most: half of a panel. */
export function quadBytes(format: u32, K: u32): usize {
  return panelBytes(format, K) >> 1;
}

/** Eight rows of w, from row `first`, -> panel. Rows at and beyond N repeat the last one; their results are not stored. */
export function packPanel(format: u32, w: usize, first: u32, N: u32, K: u32, panel: usize, strips: usize): void {
  if (codeSteps(format) != 0) return packCodePanel(format, w, first, N, K, panel, strips);
  if (format == Q8_0) return packPanelQ8_0(w, first, N - 1, K, panel);
  const bytes = rowBytes(format, K), B = blockSize(format);
  for (let k: u32 = 0; k < K; k += STRIP) {
    const count = min(STRIP, K - k), skip = <usize>(k / B) * <usize>blockBytes(format);
    for (let r: u32 = 0; r < PANEL_ROWS; r++) {
      const row = w + <usize>min(first + r, N - 1) * bytes + skip;
      unpackStrip(format, row, count, strips + <usize>r * STRIP_BYTES);
    }
    panel = weaveStrips(strips, count, B, hasMins(format), panel);
  }
}

/** Q8_0 needs no strips: its int8 are woven as they are widened, which saves 4 % of the time of 128 tokens. */
function packPanelQ8_0(w: usize, first: u32, last: u32, K: u32, panel: usize): void {
  const bytes = rowBytes(Q8_0, K), bits = f16Bits(), rebias = f16Rebias();
  let a = w + <usize>first * bytes, b = w + <usize>min(first + 1, last) * bytes;
  let c = w + <usize>min(first + 2, last) * bytes, d = w + <usize>min(first + 3, last) * bytes;
  let e = w + <usize>min(first + 4, last) * bytes, f = w + <usize>min(first + 5, last) * bytes;
  let g = w + <usize>min(first + 6, last) * bytes, h = w + <usize>min(first + 7, last) * bytes;
  for (const end = a + bytes; a < end; panel += 544) {
    v128.store(panel, f16x4(f16Halves(a, b, c, d), bits, rebias));
    v128.store(panel, f16x4(f16Halves(e, f, g, h), bits, rebias), 16);
    weaveBytes(a + 2, b + 2, c + 2, d + 2, 32, panel + 32, 32);
    weaveBytes(e + 2, f + 2, g + 2, h + 2, 32, panel + 48, 32);
    a += 34; b += 34; c += 34; d += 34; e += 34; f += 34; g += 34; h += 34;
  }
}

/** Segments of the blocks of eight strips; returns the end of what it wrote. */
function weaveStrips(strips: usize, count: u32, B: u32, mins: bool, panel: usize): usize {
  const lower = strips + 4 * STRIP_BYTES;
  for (let k: u32 = 0; k < count; k += B) {
    const d = STRIP_D + (<usize>(k / B) << 2), dm = STRIP_DM + (<usize>(k / B) << 2), q = <usize>k << 1, m = STRIP_M + <usize>(k >> 3);
    if (mins) {
      for (let r: usize = 0; r < 8; r++) store<f32>(panel + (r << 2), -load<f32>(strips + r * STRIP_BYTES + dm));
      weave(strips + m, STRIP_BYTES, B >> 5, panel + 32, 32);
      weave(lower + m, STRIP_BYTES, B >> 5, panel + 48, 32);
      panel += 32 + <usize>B;
    }
    for (let r: usize = 0; r < 8; r++) store<f32>(panel + (r << 2), load<f32>(strips + r * STRIP_BYTES + d));
    weave(strips + q, STRIP_BYTES, B >> 1, panel + 32, 32);
    weave(lower + q, STRIP_BYTES, B >> 1, panel + 48, 32);
    panel += 32 + (<usize>B << 4);
  }
  return panel;
}

/** Four rows of input, at a, b, c, d (see table.inputRowBytes), -> quad. */
export function packQuad(format: u32, a: usize, b: usize, c: usize, d: usize, K: u32, quad: usize): void {
  if (codeSteps(format) != 0) return packCodeQuad(format, a, b, c, d, K, quad);
  const B = blockSize(format), mins = hasMins(format), sums = sum16Offset(K, B), q = qOffset(K, B), wide = wideOffset(K, B);
  for (let k: u32 = 0; k < K; k += B) {
    const at = <usize>(k / B) << 2;
    const scales = f32x4(load<f32>(a + at), load<f32>(b + at), load<f32>(c + at), load<f32>(d + at));
    if (mins) {
      v128.store(quad, scales);
      quad = weaveSums(a, b, c, d, sums + <usize>(k >> 3), <usize>B >> 3, quad + 16);
    }
    v128.store(quad, scales);
    quad += 16;
    if (B == 32) {
      const from = wide + (<usize>k << 1);
      weaveWide(a + from, b + from, c + from, d + from, quad);
    } else {
      const from = q + <usize>k;
      weaveBytes(a + from, b + from, c + from, d + from, B, quad, 16);
    }
    quad += <usize>B << 3;
  }
}

/** 32 i16 of four rows, woven by pairs. */
// @ts-ignore: decorator
@inline
function weaveWide(a: usize, b: usize, c: usize, d: usize, to: usize): void {
  weave4(v128.load(a), v128.load(b), v128.load(c), v128.load(d), to, 16);
  weave4(v128.load(a, 16), v128.load(b, 16), v128.load(c, 16), v128.load(d, 16), to + 64, 16);
  weave4(v128.load(a, 32), v128.load(b, 32), v128.load(c, 32), v128.load(d, 32), to + 128, 16);
  weave4(v128.load(a, 48), v128.load(b, 48), v128.load(c, 48), v128.load(d, 48), to + 192, 16);
}

/** B int8 of four rows, widened and woven by pairs, `step` bytes from a pair to the next. */
// @ts-ignore: decorator
@inline
function weaveBytes(a: usize, b: usize, c: usize, d: usize, B: u32, to: usize, step: usize): void {
  for (const end = a + <usize>B; a < end; a += 8, b += 8, c += 8, d += 8, to += step << 2) {
    weave4(v128.load8x8_s(a), v128.load8x8_s(b), v128.load8x8_s(c), v128.load8x8_s(d), to, step);
  }
}
