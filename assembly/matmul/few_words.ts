// The dot products of few.ts without relaxed SIMD: codes become i16, and rows lie side by side. One token goes this way too.
//
// A cell, a block of four rows (WORDS_* in ../formats/cells.ts):
//   f32 d[4], -dmin[4]; i16 min[4][4][2], pairs of each row's sub-blocks; i16 scale[16][4][2], one for sixteen codes;
//   i16 code[16][2][2][2][2][4]: of each sixteen first eight and last eight, of those rows 0 and 1 and rows 2 and 3, of those evens and odds
// Four activations of a token, twice in a vector, meet four codes of two rows. A sub-block's sums in a lane fit i16 (8 · 32 · 127), so its scale rides
// on the dot product that puts a row's halves together.
//
// The roof is three vector operations a cycle: a token takes 290 for a cell, unpacking 300 (Q4_K) or 650 (Q6_K). It is reached to 85-90 %.
// Tried, in us for 256x256. Strips of scale · code, a row each: Q4_K 8.3, Q6_K 10.9 for two tokens, where this takes 7.8 and 9.8. Codes straight from
// registers into the dots, without cells: 0.1 less for two to four tokens, 0.3 less for one, as spills eat what stores cost. Activations spread in
// advance, which saves their addresses: 1-4 % slower. 32 codes of Q4_K before their scale: 7-11 % slower, spills; with the first sixteen's sums put
// away in memory 2 % faster, which is not worth a second loop. 32 codes a turn for one token: 7 % slower. Tokens in rising order in the loop of `dot`:
// 1-5 % slower, as compilers then load all of them first.

import { WORDS_BYTES, WORDS_CODES, WORDS_DMIN, WORDS_MINS, WORDS_SCALES } from "../formats/cells";
import { blockBytes, hasMins, packWords } from "../formats/table";
import { mac } from "../simd";
import { sum32Offset, wideOffset } from "./activation";
import { flushAll, flushMins } from "./few_sums";

/**
 * Columns k .. k + count of four rows, `step` bytes apart from w (of less, the last is taken again), and of the `groups` - 1 rows behind each
 * -> cells; the sums of each group and token += their product.
 */
export function words(w: usize, step: usize, rows: u32, k: u32, count: u32, groups: u32, sums: usize, inputs: usize, tokens: u32, K: u32, format: u32, cells: usize): void {
  const a = w + <usize>(k >> 8) * <usize>blockBytes(format), last = rows - 1, blocks = count >> 8, mins = hasMins(format);
  packWords(format, a, a + <usize>min(1, last) * step, a + <usize>min(2, last) * step, a + <usize>min(3, last) * step, groups * blocks, cells);
  const tokenSums = <usize>tokens << 4;
  for (let left = tokens; left > 0; ) {
    const n: u32 = left == 5 ? 3 : min(4, left); // one by itself costs nearly as much as two
    if (n == 1) dot1(sums, tokenSums, groups, cells, inputs, k, blocks, K, mins);
    else if (n == 2) dot2(sums, tokenSums, groups, cells, inputs, k, blocks, K, mins);
    else if (n == 3) dot3(sums, tokenSums, groups, cells, inputs, k, blocks, K, mins);
    else dot4(sums, tokenSums, groups, cells, inputs, k, blocks, K, mins);
    left -= n; sums += <usize>n << 4; inputs += <usize>n << 2;
  }
}

/** s + the products of sixteen activations at x with the words of four rows: of two in k.., of two in l... */
// @ts-ignore: decorator
@inline
function dot16(s: v128, x: usize, k0: v128, k1: v128, k2: v128, k3: v128, l0: v128, l1: v128, l2: v128, l3: v128, scale: v128): v128 {
  let u = v128.load64_splat(x), a = i32x4.dot_i16x8_s(k0, u), b = i32x4.dot_i16x8_s(l0, u);
  u = v128.load64_splat(x, 8); a = mac(k1, u, a); b = mac(l1, u, b);
  u = v128.load64_splat(x, 16); a = mac(k2, u, a); b = mac(l2, u, b);
  u = v128.load64_splat(x, 24); a = mac(k3, u, a); b = mac(l3, u, b);
  return mac(i16x8.narrow_i32x4_s(a, b), scale, s);
}

/** The sums of each group, `tokenSums` bytes apart, += its cells · blocks from column k on of `n` tokens, 1 to 4: float steps as everywhere (gemm.ts). */
// @ts-ignore: decorator
@inline
function dot(n: u32, sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, k: u32, blocks: u32, K: u32, mins: bool): void {
  const z = i32x4.splat(0), t0 = <usize>load<u32>(inputs), t1 = n > 1 ? <usize>load<u32>(inputs, 4) : 0;
  const t2 = n > 2 ? <usize>load<u32>(inputs, 8) : 0, t3 = n > 3 ? <usize>load<u32>(inputs, 12) : 0;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let dx = <usize>(k >> 8) << 2, sum32 = sum32Offset(K, 256) + <usize>(k >> 4), x = wideOffset(K, 256) + (<usize>k << 1);
    for (const end = dx + (<usize>blocks << 2); dx < end; dx += 4) {
      const d = v128.load(cell);
      if (mins) {
        flushMins(n, sums, cell + WORDS_MINS, v128.load(cell, WORDS_DMIN), sum32, dx, t0, t1, t2, t3);
        sum32 += 16;
      }
      let s0 = z, s1 = z, s2 = z, s3 = z, scale = cell + WORDS_SCALES, w = cell + WORDS_CODES;
      cell += WORDS_BYTES;
      for (; w < cell; w += 128, scale += 16, x += 32) {
        const k0 = v128.load(w), l0 = v128.load(w, 32), k1 = v128.load(w, 64), l1 = v128.load(w, 96);
        const k2 = v128.load(w, 16), l2 = v128.load(w, 48), k3 = v128.load(w, 80), l3 = v128.load(w, 112), f = v128.load(scale);
        if (n > 3) s3 = dot16(s3, t3 + x, k0, k1, k2, k3, l0, l1, l2, l3, f);
        if (n > 2) s2 = dot16(s2, t2 + x, k0, k1, k2, k3, l0, l1, l2, l3, f);
        if (n > 1) s1 = dot16(s1, t1 + x, k0, k1, k2, k3, l0, l1, l2, l3, f);
        s0 = dot16(s0, t0 + x, k0, k1, k2, k3, l0, l1, l2, l3, f);
      }
      flushAll(n, sums, s0, s1, s2, s3, d, dx, t0, t1, t2, t3);
    }
  }
}

function dot1(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, k: u32, blocks: u32, K: u32, mins: bool): void {
  dot(1, sums, tokenSums, groups, cell, inputs, k, blocks, K, mins);
}
function dot2(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, k: u32, blocks: u32, K: u32, mins: bool): void {
  dot(2, sums, tokenSums, groups, cell, inputs, k, blocks, K, mins);
}
function dot3(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, k: u32, blocks: u32, K: u32, mins: bool): void {
  dot(3, sums, tokenSums, groups, cell, inputs, k, blocks, K, mins);
}
function dot4(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, k: u32, blocks: u32, K: u32, mins: bool): void {
  dot(4, sums, tokenSums, groups, cell, inputs, k, blocks, K, mins);
}
