// The tile of the relaxed build for formats with codes: int8 products, summed by twos in i16. 8 rows by 4 tokens, steps of four
// neighbouring weights: half the arithmetic of tile.ts. panel_codes.ts has the layouts.

import { mac, rdot16 } from "../simd";
import { clearAcc, flush } from "./tile";

// @ts-ignore: decorator
@inline
function gather(sums: usize, pairs: v128, scale: v128): void {
  v128.store(sums, i32x4.add(v128.load(sums), i32x4.dot_i16x8_s(pairs, scale)));
}

// @ts-ignore: decorator
@inline
function dotStep(x: v128, codes: v128, pairs: v128): v128 {
  return i16x8.add(pairs, rdot16(x, codes));
}

/** acc += sums · scales of eight rows · scales of four tokens */
function flushSums(acc: usize, sums: usize, scales: usize, inputScales: usize): void {
  const a = v128.load(scales), b = v128.load(scales, 16);
  for (const end = acc + 128; acc < end; acc += 32) {
    const x = v128.load32_splat(inputScales);
    flush(acc, v128.load(sums), f32x4.mul(a, x));
    flush(acc + 16, v128.load(sums, 16), f32x4.mul(b, x));
    sums += 32; inputScales += 4;
  }
}

/** sums = the products of a block's mins. */
function minSums(sums: usize, panel: usize, quad: usize, B: u32): void {
  const z = i32x4.splat(0);
  let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
  for (const end = panel + <usize>B; panel < end; panel += 32) {
    const a = v128.load(panel), b = v128.load(panel, 16);
    const x0 = v128.load32_splat(quad), x1 = v128.load32_splat(quad, 4), x2 = v128.load32_splat(quad, 8), x3 = v128.load32_splat(quad, 12);
    a0 = mac(a, x0, a0); b0 = mac(b, x0, b0); a1 = mac(a, x1, a1); b1 = mac(b, x1, b1);
    a2 = mac(a, x2, a2); b2 = mac(b, x2, b2); a3 = mac(a, x3, a3); b3 = mac(b, x3, b3);
    quad += 16;
  }
  v128.store(sums, a0); v128.store(sums, b0, 16); v128.store(sums, a1, 32); v128.store(sums, b1, 48);
  v128.store(sums, a2, 64); v128.store(sums, b2, 80); v128.store(sums, a3, 96); v128.store(sums, b3, 112);
}

/**
 * acc += panel · quad. `sums`: 128 bytes for the block's i32 sums, which no register is left for. `group` steps share a scale, `run` of them
 * may add up in i16. offsets: mins are part of the sums.
 */
export function tileCodes(panel: usize, panelEnd: usize, quad: usize, acc: usize, sums: usize, B: u32, group: u32, run: u32, offsets: bool): void {
  const z = i32x4.splat(0), groupBytes = <usize>group << 5, runBytes = <usize>run << 5;
  const codes = (<usize>B << 3) + (<usize>((B >> 2) / group) << 5);
  while (panel < panelEnd) {
    const scales = panel, inputScales = quad;
    minSums(sums, panel + 64, quad + 16, B);
    if (!offsets) {
      flushSums(acc, sums, scales + 32, inputScales);
      clearAcc(sums);
    }
    panel += 64 + <usize>B; quad += 16 + <usize>(B >> 1);
    for (const end = panel + codes; panel < end; ) {
      const scale = panel;
      panel += 32;
      for (const groupEnd = panel + groupBytes; panel < groupEnd; ) {
        let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
        for (const runEnd = panel + runBytes; panel < runEnd; panel += 32) {
          const a = v128.load(panel), b = v128.load(panel, 16);
          const x0 = v128.load32_splat(quad), x1 = v128.load32_splat(quad, 4), x2 = v128.load32_splat(quad, 8), x3 = v128.load32_splat(quad, 12);
          a0 = dotStep(x0, a, a0); b0 = dotStep(x0, b, b0); a1 = dotStep(x1, a, a1); b1 = dotStep(x1, b, b1);
          a2 = dotStep(x2, a, a2); b2 = dotStep(x2, b, b2); a3 = dotStep(x3, a, a3); b3 = dotStep(x3, b, b3);
          quad += 16;
        }
        const sa = v128.load(scale), sb = v128.load(scale, 16);
        gather(sums, a0, sa); gather(sums + 16, b0, sb); gather(sums + 32, a1, sa); gather(sums + 48, b1, sb);
        gather(sums + 64, a2, sa); gather(sums + 80, b2, sb); gather(sums + 96, a3, sa); gather(sums + 112, b3, sb);
      }
    }
    flushSums(acc, sums, scales, inputScales);
  }
}
