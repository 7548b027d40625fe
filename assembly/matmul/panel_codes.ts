// Panels and quads of the relaxed build for formats with codes (formats/strip.ts). Steps are four neighbouring weights, a byte each.
//
// Panel, a block:  f32 d[8], f32 -dm[8]
//                  steps of i16 m[8][2] against sums of 16 activations, or of 32 where the format has one min for 32; negative where they are
//                  an offset (dm = d)
//                  groups of 4 or 8 steps: i16 scale[8][2] (each row's twice), then steps · u8 code[8][4]
// Quad, a block:   f32 scale[4], as many steps of sums i16[4][2], B / 4 steps of i8 q[4][4]

import { Q4_K, Q5_K, Q6_K } from "../formats/ids";
import { blockBytes, blockSize, rowBytes, unpackCodes } from "../formats/table";
import { STRIP, STRIP_BYTES, STRIP_D, STRIP_DM, STRIP_M, STRIP_SCALE } from "../formats/strip";
import { qOffset, sum16Offset, sum32Offset } from "./activation";
import { weave, weave4, weaveSums } from "./weave";

/** Steps that share their scales: a sub-block, or a whole block of 32. */
// @ts-ignore: decorator
@inline
export function groupSteps(format: u32): u32 {
  return format == Q6_K ? 4 : 8;
}

/** Steps of a block's mins: half as many save Q4_K 5 % of its time. */
// @ts-ignore: decorator
@inline
export function minSteps(format: u32): u32 {
  return format == Q4_K || format == Q5_K ? 4 : blockSize(format) >> 5;
}

/** Bytes of a panel: d and dm, mins, scales, a byte a code. */
export function codePanelBytes(format: u32, K: u32): usize {
  const B = blockSize(format), groups = (B >> 2) / groupSteps(format);
  return <usize>(K / B) * (64 + (<usize>(minSteps(format) + groups) << 5) + (<usize>B << 3));
}

/** Eight rows of w, from row `first`, -> panel. Rows at and beyond N repeat the last one; their results are not stored. */
export function packCodePanel(format: u32, w: usize, first: u32, N: u32, K: u32, panel: usize, strips: usize): void {
  const bytes = rowBytes(format, K), B = blockSize(format), steps = groupSteps(format), mins = minSteps(format);
  for (let k: u32 = 0; k < K; k += STRIP) {
    const count = min(STRIP, K - k), skip = <usize>(k / B) * <usize>blockBytes(format);
    for (let r: u32 = 0; r < 8; r++) unpackCodes(format, w + <usize>min(first + r, N - 1) * bytes + skip, count, strips + <usize>r * STRIP_BYTES);
    for (let i: u32 = 0; i < count; i += B) panel = weaveBlock(strips, i, B, mins, steps, panel);
  }
}

/** Elements i .. i + B of eight strips; returns the end of what it wrote. */
function weaveBlock(strips: usize, i: u32, B: u32, mins: u32, steps: u32, panel: usize): usize {
  const lower = strips + 4 * STRIP_BYTES, at = <usize>(i / B) << 2;
  for (let r: usize = 0; r < 8; r++) {
    store<f32>(panel + (r << 2), load<f32>(strips + r * STRIP_BYTES + STRIP_D + at));
    store<f32>(panel + (r << 2), -load<f32>(strips + r * STRIP_BYTES + STRIP_DM + at), 32);
  }
  panel += 64;
  const m = STRIP_M + (<usize>i >> 3);
  if (mins << 5 < B) for (let r: usize = 0; r < 8; r++) everySecond(strips + r * STRIP_BYTES + m);
  weave(strips + m, STRIP_BYTES, mins, panel, 32);
  weave(lower + m, STRIP_BYTES, mins, panel + 16, 32);
  panel += <usize>mins << 5;
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

/** Of 16 i16 the first, third, fifth … at the place of the first eight. */
// @ts-ignore: decorator
@inline
function everySecond(m: usize): void {
  v128.store(m, v128.shuffle<i16>(v128.load(m), v128.load(m, 16), 0, 2, 4, 6, 8, 10, 12, 14));
}

/** Four rows of activations, at a, b, c, d, -> quad. */
export function packCodeQuad(format: u32, a: usize, b: usize, c: usize, d: usize, K: u32, quad: usize): void {
  const B = blockSize(format), q = qOffset(K, B), sumBytes = minSteps(format) << 2;
  let sums = sumBytes << 3 < B ? sum32Offset(K, B) : sum16Offset(K, B);
  for (let k: u32 = 0; k < K; k += B) {
    const at = <usize>(k / B) << 2;
    v128.store(quad, f32x4(load<f32>(a + at), load<f32>(b + at), load<f32>(c + at), load<f32>(d + at)));
    quad = weaveSums(a, b, c, d, sums, sumBytes, quad + 16);
    sums += sumBytes;
    let i = q + <usize>k;
    for (const end = i + <usize>B; i < end; i += 16, quad += 64) {
      weave4(v128.load(a + i), v128.load(b + i), v128.load(c + i), v128.load(d + i), quad, 16);
    }
  }
}
