// Panels and quads of the relaxed build for formats with codes (formats/strip.ts). Steps are four neighbouring weights, a byte each.
//
// Panel, a block:  f32 d[8], f32 -dm[8]
//                  B / 32 steps of i16 m[8][2], as in panel.ts; negative where they are an offset (dm = d)
//                  groups of 4 or 8 steps: i16 scale[8][2] (each row's twice), then steps · u8 code[8][4]
// Quad, a block:   f32 scale[4], B / 32 steps of sums i16[4][2], B / 4 steps of i8 q[4][4]

import { Q6_K } from "../formats/ids";
import { blockBytes, blockSize, rowBytes, unpackCodes } from "../formats/table";
import { STRIP, STRIP_BYTES, STRIP_D, STRIP_DM, STRIP_M, STRIP_SCALE } from "../formats/strip";
import { qOffset, sum16Offset } from "./activation";
import { weave, weave4, weaveSums } from "./weave";

/** Steps that share their scales: a sub-block, or a whole block of 32. */
// @ts-ignore: decorator
@inline
export function groupSteps(format: u32): u32 {
  return format == Q6_K ? 4 : 8;
}

/** Bytes of a panel: d and dm, mins, scales, a byte a code. */
export function codePanelBytes(format: u32, K: u32): usize {
  const B = blockSize(format), groups = (B >> 2) / groupSteps(format);
  return <usize>(K / B) * (64 + <usize>B + (<usize>groups << 5) + (<usize>B << 3));
}

/** Eight rows of w, from row `first`, -> panel. Rows at and beyond N repeat the last one; their results are not stored. */
export function packCodePanel(format: u32, w: usize, first: u32, N: u32, K: u32, panel: usize, strips: usize): void {
  const bytes = rowBytes(format, K), B = blockSize(format), steps = groupSteps(format);
  for (let k: u32 = 0; k < K; k += STRIP) {
    const count = min(STRIP, K - k), skip = <usize>(k / B) * <usize>blockBytes(format);
    for (let r: u32 = 0; r < 8; r++) unpackCodes(format, w + <usize>min(first + r, N - 1) * bytes + skip, count, strips + <usize>r * STRIP_BYTES);
    for (let i: u32 = 0; i < count; i += B) panel = weaveBlock(strips, i, B, steps, panel);
  }
}

/** Elements i .. i + B of eight strips; returns the end of what it wrote. */
function weaveBlock(strips: usize, i: u32, B: u32, steps: u32, panel: usize): usize {
  const lower = strips + 4 * STRIP_BYTES, at = <usize>(i / B) << 2;
  for (let r: usize = 0; r < 8; r++) {
    store<f32>(panel + (r << 2), load<f32>(strips + r * STRIP_BYTES + STRIP_D + at));
    store<f32>(panel + (r << 2), -load<f32>(strips + r * STRIP_BYTES + STRIP_DM + at), 32);
  }
  panel += 64;
  const m = STRIP_M + (<usize>i >> 3);
  weave(strips + m, STRIP_BYTES, B >> 5, panel, 32);
  weave(lower + m, STRIP_BYTES, B >> 5, panel + 16, 32);
  panel += <usize>B;
  for (const end = i + B; i < end; i += steps << 2) {
    for (let r: usize = 0; r < 8; r++) {
      const scale = <u32>load<u16>(strips + r * STRIP_BYTES + STRIP_SCALE + (<usize>(i >> 4) << 1));
      store<u32>(panel + (r << 2), scale | (scale << 16));
    }
    weave(strips + <usize>i, STRIP_BYTES, steps, panel + 32, 32);
    weave(lower + <usize>i, STRIP_BYTES, steps, panel + 48, 32);
    panel += 32 + (<usize>steps << 5);
  }
  return panel;
}

/** Four rows of activations, at a, b, c, d, -> quad. */
export function packCodeQuad(a: usize, b: usize, c: usize, d: usize, K: u32, B: u32, quad: usize): void {
  const sums = sum16Offset(K, B), q = qOffset(K, B);
  for (let k: u32 = 0; k < K; k += B) {
    const at = <usize>(k / B) << 2;
    v128.store(quad, f32x4(load<f32>(a + at), load<f32>(b + at), load<f32>(c + at), load<f32>(d + at)));
    quad = weaveSums(a, b, c, d, sums + <usize>(k >> 3), B, quad + 16);
    let i = q + <usize>k;
    for (const end = i + <usize>B; i < end; i += 16, quad += 64) {
      weave4(v128.load(a + i), v128.load(b + i), v128.load(c + i), v128.load(d + i), quad, 16);
    }
  }
}
