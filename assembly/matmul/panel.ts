// What the GEMM tiles read: eight weight rows woven together (a panel), four token rows woven together (a quad).
//
// A stream of segments, one a block, or two where the format has mins, the mins first. A segment of s steps:
//   panel: f32 scale[8], then s · i16[8][2]     step = two neighbouring weights of each row
//   quad:  f32 scale[4], then s · i16[4][2]
// Data: B / 2 steps of q, scale d. Mins: B / 32 steps of m against the sums of 16 activations, scale -dm: Σ m·sum16 is a dot product too,
// so the tile needs no second code path.
// Formats with codes, in the relaxed build: panel_codes.ts. Float formats have neither: tile_float.ts.

import { blockBytes, blockSize, codeSteps, hasMins, rowBytes, unpackStrip } from "../formats/table";
import { STRIP, STRIP_BYTES, STRIP_D, STRIP_DM, STRIP_M } from "../formats/strip";
import { qOffset, sum16Offset } from "./activation";
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
  if (codeSteps(format) != 0) return packCodeQuad(a, b, c, d, K, blockSize(format), quad);
  const B = blockSize(format), mins = hasMins(format), sums = sum16Offset(K, B), q = qOffset(K, B);
  for (let k: u32 = 0; k < K; k += B) {
    const at = <usize>(k / B) << 2;
    const scales = f32x4(load<f32>(a + at), load<f32>(b + at), load<f32>(c + at), load<f32>(d + at));
    if (mins) {
      v128.store(quad, scales);
      quad = weaveSums(a, b, c, d, sums + <usize>(k >> 3), B, quad + 16);
    }
    v128.store(quad, scales);
    quad = weaveBytes(a, b, c, d, q + <usize>k, B, quad + 16);
  }
}

/** B int8 of four rows, widened and woven by pairs. */
// @ts-ignore: decorator
@inline
function weaveBytes(a: usize, b: usize, c: usize, d: usize, from: usize, B: u32, to: usize): usize {
  for (const end = from + <usize>B; from < end; from += 8, to += 64) {
    weave4(v128.load8x8_s(a + from), v128.load8x8_s(b + from), v128.load8x8_s(c + from), v128.load8x8_s(d + from), to, 16);
  }
  return to;
}
