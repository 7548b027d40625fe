// The tile of the relaxed build for formats with codes, int8 products: 8 rows by 4 tokens, steps of four neighbouring weights.
// panel_codes.ts has the layouts. A block's sums stay in locals: V8 spills them around the inner loop to its stack, where Deno does not
// check every access for its bounds, as it does in memory.
//
// There are four of it, whose sums are the same whole numbers; tile_choice.ts finds out which one this machine likes best. GFLOP/s of Q4_K,
// 2048x2048 by 512 tokens, one thread of a Xeon with AVX-VNNI:
//   dots   four products are added to i32 at once: one instruction where the engine knows AVX-VNNI or ARM's dot product, else five on x86.
//          Without dots they are summed by twos in i16 for as long as that holds them: two on any x86. Node 112 against 97, or, with
//          AVX-VNNI switched off, 41 against 93.
//   lanes  a step's tokens are one load and four shuffles, else four loads. Deno checks the bounds of every load: 102 against 72. In Node
//          shuffles take the place of products: 107 against 112.
// What did not pay: tiles of 5 or 6 tokens, steps unrolled by two or four. What would: for blocks of 32, whose one scale is 1, dots could be
// added to the block's sums right away (Q4_0: Node 103 against 90, Deno 95 against 75), for two more tiles in every download.

import { mac, rdot16, rdot32 } from "../simd";
import { flush } from "./tile";

// @ts-ignore: decorator
@inline
function token0(quad: usize, all: v128, lanes: bool): v128 {
  return lanes ? v128.shuffle<i32>(all, all, 0, 0, 0, 0) : v128.load32_splat(quad);
}
// @ts-ignore: decorator
@inline
function token1(quad: usize, all: v128, lanes: bool): v128 {
  return lanes ? v128.shuffle<i32>(all, all, 1, 1, 1, 1) : v128.load32_splat(quad, 4);
}
// @ts-ignore: decorator
@inline
function token2(quad: usize, all: v128, lanes: bool): v128 {
  return lanes ? v128.shuffle<i32>(all, all, 2, 2, 2, 2) : v128.load32_splat(quad, 8);
}
// @ts-ignore: decorator
@inline
function token3(quad: usize, all: v128, lanes: bool): v128 {
  return lanes ? v128.shuffle<i32>(all, all, 3, 3, 3, 3) : v128.load32_splat(quad, 12);
}

/** part + the products of four codes of four rows with a token's. */
// @ts-ignore: decorator
@inline
function step(x: v128, codes: v128, part: v128, dots: bool): v128 {
  return dots ? rdot32(x, codes, part) : i16x8.add(part, rdot16(x, codes));
}

/** sum + part · scale */
// @ts-ignore: decorator
@inline
function gather(sum: v128, part: v128, scale: v128, dots: bool): v128 {
  return dots ? i32x4.add(sum, i32x4.mul(part, scale)) : mac(part, scale, sum);
}

/** acc += the sums of eight rows and a token · their scales */
// @ts-ignore: decorator
@inline
function flushToken(acc: usize, a: v128, b: v128, da: v128, db: v128, x: v128): void {
  flush(acc, a, f32x4.mul(da, x));
  flush(acc + 16, b, f32x4.mul(db, x));
}

/** See tileCodes; dots and lanes are constants. */
// @ts-ignore: decorator
@inline
function tile(panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool, dots: bool, lanes: bool): void {
  const z = i32x4.splat(0), groupBytes = <usize>group << 5, runBytes = <usize>run << 5;
  const codes = (<usize>B << 3) + (<usize>((B >> 2) / group) << 5);
  while (panel < panelEnd) {
    const scales = panel, dx = quad;
    let s0 = z, s1 = z, s2 = z, s3 = z, t0 = z, t1 = z, t2 = z, t3 = z;
    panel += 64; quad += 16;
    for (const end = panel + (<usize>mins << 5); panel < end; panel += 32, quad += 16) {
      const a = v128.load(panel), b = v128.load(panel, 16), all = lanes ? v128.load(quad) : z;
      const x0 = token0(quad, all, lanes), x1 = token1(quad, all, lanes), x2 = token2(quad, all, lanes), x3 = token3(quad, all, lanes);
      s0 = mac(a, x0, s0); t0 = mac(b, x0, t0); s1 = mac(a, x1, s1); t1 = mac(b, x1, t1);
      s2 = mac(a, x2, s2); t2 = mac(b, x2, t2); s3 = mac(a, x3, s3); t3 = mac(b, x3, t3);
    }
    if (!offsets) {
      const da = v128.load(scales, 32), db = v128.load(scales, 48), all = lanes ? v128.load(dx) : z;
      flushToken(acc, s0, t0, da, db, token0(dx, all, lanes));
      flushToken(acc + 32, s1, t1, da, db, token1(dx, all, lanes));
      flushToken(acc + 64, s2, t2, da, db, token2(dx, all, lanes));
      flushToken(acc + 96, s3, t3, da, db, token3(dx, all, lanes));
      s0 = z; s1 = z; s2 = z; s3 = z; t0 = z; t1 = z; t2 = z; t3 = z;
    }
    for (const end = panel + codes; panel < end; ) {
      const a16 = v128.load(panel), b16 = v128.load(panel, 16);
      const sa = dots ? i32x4.shr_s(a16, 16) : a16, sb = dots ? i32x4.shr_s(b16, 16) : b16;
      panel += 32;
      const groupEnd = panel + groupBytes;
      do {
        let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
        for (const runEnd = dots ? groupEnd : panel + runBytes; panel < runEnd; panel += 32, quad += 16) {
          const a = v128.load(panel), b = v128.load(panel, 16), all = lanes ? v128.load(quad) : z;
          const x0 = token0(quad, all, lanes), x1 = token1(quad, all, lanes), x2 = token2(quad, all, lanes), x3 = token3(quad, all, lanes);
          a0 = step(x0, a, a0, dots); b0 = step(x0, b, b0, dots); a1 = step(x1, a, a1, dots); b1 = step(x1, b, b1, dots);
          a2 = step(x2, a, a2, dots); b2 = step(x2, b, b2, dots); a3 = step(x3, a, a3, dots); b3 = step(x3, b, b3, dots);
        }
        s0 = gather(s0, a0, sa, dots); t0 = gather(t0, b0, sb, dots); s1 = gather(s1, a1, sa, dots); t1 = gather(t1, b1, sb, dots);
        s2 = gather(s2, a2, sa, dots); t2 = gather(t2, b2, sb, dots); s3 = gather(s3, a3, sa, dots); t3 = gather(t3, b3, sb, dots);
      } while (!dots && panel < groupEnd);
    }
    const da = v128.load(scales), db = v128.load(scales, 16), all = lanes ? v128.load(dx) : z;
    flushToken(acc, s0, t0, da, db, token0(dx, all, lanes));
    flushToken(acc + 32, s1, t1, da, db, token1(dx, all, lanes));
    flushToken(acc + 64, s2, t2, da, db, token2(dx, all, lanes));
    flushToken(acc + 96, s3, t3, da, db, token3(dx, all, lanes));
  }
}

function tilePairs(panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool): void {
  tile(panel, panelEnd, quad, acc, B, mins, group, run, offsets, false, false);
}

function tilePairsLanes(panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool): void {
  tile(panel, panelEnd, quad, acc, B, mins, group, run, offsets, false, true);
}

function tileDots(panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool): void {
  tile(panel, panelEnd, quad, acc, B, mins, group, run, offsets, true, false);
}

function tileDotsLanes(panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool): void {
  tile(panel, panelEnd, quad, acc, B, mins, group, run, offsets, true, true);
}

// @ts-ignore: decorator
@inline
export const TILES: u32 = 4;

/**
 * acc += panel · quad by one of the tiles. A block of B has `mins` steps of mins; `group` steps share a scale, `run` of them may add up in
 * i16. offsets: mins are part of the sums.
 */
export function tileCodes(way: u32, panel: usize, panelEnd: usize, quad: usize, acc: usize, B: u32, mins: u32, group: u32, run: u32, offsets: bool): void {
  switch (way) {
    case 0: tilePairs(panel, panelEnd, quad, acc, B, mins, group, run, offsets); break;
    case 1: tileDots(panel, panelEnd, quad, acc, B, mins, group, run, offsets); break;
    case 2: tilePairsLanes(panel, panelEnd, quad, acc, B, mins, group, run, offsets); break;
    default: tileDotsLanes(panel, panelEnd, quad, acc, B, mins, group, run, offsets);
  }
}
