// The dot products of few.ts in the relaxed build: codes stay bytes, and rows lie side by side.
//
// A cell, a block of four rows:
//   f32 d[4]; where the format has mins also f32 -dmin[4] and i16 min[4][4][2], pairs of each row's
//   sub-blocks: i16 scale[4][2], then u8 code[][4][8]: four steps, or two where sub-blocks have sixteen codes
// Half a step, two rows, meets eight activations of a token, and products end in a lane per half row. A sub-block's sums in a lane fit i16, so
// its scale rides on the dot product that puts the halves together. Q6_K's codes fit because of their offset, taken off as -32 times the sum
// of the activations that a lane has met: i32 offset[K / 16][tokens][2].
//
// Products add up in one of two ways, to the same whole numbers: `dots`, by fours in i32, where the machine has an instruction for it (../dots.ts);
// else by twos in i16.
// Tried: a lane for a whole row, its scale by i32x4.mul: 1.15-1.25 times the speed of strips for 8 tokens, where this has 1.4, as one sum a token waits
// for the dot-add's five cycles; by twos in i16 Q6_K lost 5-18 %.

import { blockBytes, hasMins, packCell } from "../formats/table";
import { Bytes, dotBytes } from "../dots";
import { mac, opaque, rdot16, rdot32 } from "../simd";
import { qOffset, sum32Offset } from "./activation";
import { flushAll, flushMins } from "./few_sums";

// @ts-ignore: decorator
@inline
const COARSE_HEAD: usize = 96;
// @ts-ignore: decorator
@inline
const COARSE_BYTES: usize = COARSE_HEAD + 8 * 144;
// @ts-ignore: decorator
@inline
const FINE_HEAD: usize = 16;
// @ts-ignore: decorator
@inline
const FINE_BYTES: usize = FINE_HEAD + 16 * 80;

/**
 * Columns k .. k + count of four rows, `step` bytes apart from w (of less, the last is taken again), and of the `groups` - 1 rows behind each
 * -> cells; the sums of each group and token += their product.
 */
export function cells(w: usize, step: usize, rows: u32, k: u32, count: u32, groups: u32, sums: usize, inputs: usize, tokens: u32, K: u32, format: u32, cells: usize, offsets: usize): void {
  const fine = !hasMins(format), bytes = <usize>blockBytes(format), rowBytes = <usize>(K >> 8) * bytes, blocks = count >> 8;
  let cell = cells;
  for (const last = w + <usize>groups * rowBytes, skip = <usize>(k >> 8) * bytes; w < last; w += rowBytes) {
    let a = w + skip;
    const b = <usize>min(1, rows - 1) * step, c = <usize>min(2, rows - 1) * step, d = <usize>min(3, rows - 1) * step;
    for (const end = a + <usize>blocks * bytes; a < end; a += bytes, cell += fine ? FINE_BYTES : COARSE_BYTES) packCell(format, a, a + b, a + c, a + d, cell, K);
  }
  const tokenSums = <usize>tokens << 4;
  offsets += <usize>(k >> 4) * (tokenSums >> 1);
  for (let left = tokens; left > 0; ) {
    const n: u32 = left == 5 ? 3 : min(4, left); // never one by itself
    dotCells(n, fine, sums, tokenSums, groups, cells, inputs, offsets, k, blocks, K);
    left -= n; sums += <usize>n << 4; inputs += <usize>n << 2; offsets += <usize>n << 3;
  }
}

/** Offsets of the tokens at `inputs`. Of each sixteen activations one lane meets 0..3 and 8..11, the other the rest. */
export function putOffsets(inputs: usize, tokens: u32, K: u32, offsets: usize): void {
  const z = i32x4.splat(0), thirtyTwo = opaque(i8x16.splat(32), K), step = <usize>tokens << 3;
  for (const end = offsets + step; offsets < end; inputs += 4, offsets += 8) {
    let from = <usize>load<u32>(inputs) + qOffset(K, 256), to = offsets;
    for (const end = from + <usize>K; from < end; from += 16, to += step) {
      const fours = rdot32(v128.load(from), thirtyTwo, z);
      v128.store64_lane(to, i32x4.sub(z, i32x4.add(fours, v128.shuffle<i32>(fours, fours, 2, 3, 0, 1))), 0);
    }
  }
}

/** Products of codes that come first, or with the sums so far. */
// @ts-ignore: decorator
@inline
function begin(x: v128, codes: v128, offset: v128, dots: bool): v128 {
  return dots ? rdot32(x, codes, offset) : rdot16(x, codes);
}
// @ts-ignore: decorator
@inline
function step(x: v128, codes: v128, part: v128, dots: bool): v128 {
  return dots ? rdot32(x, codes, part) : i16x8.add(part, rdot16(x, codes));
}

/** s + (parts + offset) · scale, where dots have begun at the offset. */
// @ts-ignore: decorator
@inline
function gather(s: v128, a: v128, b: v128, offset: v128, scale: v128, one: v128, dots: bool, fine: bool): v128 {
  if (dots) return mac(i16x8.narrow_i32x4_s(a, b), scale, s);
  const c = fine ? mac(a, one, offset) : i32x4.dot_i16x8_s(a, one), d = fine ? mac(b, one, offset) : i32x4.dot_i16x8_s(b, one);
  return mac(i16x8.narrow_i32x4_s(c, d), scale, s);
}

/** s + 32 codes of four rows, in one sub-block or two, · the activations at x. */
// @ts-ignore: decorator
@inline
function dot32(s: v128, x: usize, o: usize, oStep: usize, first: v128, second: v128, a0: v128, b0: v128, a1: v128, b1: v128, a2: v128, b2: v128, a3: v128, b3: v128, one: v128, fine: bool, dots: bool): v128 {
  let offset = fine ? v128.load64_splat(o) : i32x4.splat(0);
  let v = v128.load64_splat(x), a = begin(v, a0, offset, dots), b = begin(v, b0, offset, dots);
  v = v128.load64_splat(x, 8); a = step(v, a1, a, dots); b = step(v, b1, b, dots);
  v = v128.load64_splat(x, 16);
  if (fine) {
    s = gather(s, a, b, offset, first, one, dots, fine);
    offset = v128.load64_splat(o + oStep);
    a = begin(v, a2, offset, dots); b = begin(v, b2, offset, dots);
  } else {
    a = step(v, a2, a, dots); b = step(v, b2, b, dots);
  }
  v = v128.load64_splat(x, 24); a = step(v, a3, a, dots); b = step(v, b3, b, dots);
  return gather(s, a, b, offset, second, one, dots, fine);
}

/** The sums of each group, `tokenSums` bytes apart, += its cells · blocks from column k on of `n` tokens, 2 to 4: float steps as everywhere (gemm.ts). */
// @ts-ignore: decorator
@inline
function dot(n: u32, fine: bool, dots: bool, sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  const z = i32x4.splat(0), one = opaque(i16x8.splat(1), K), oStep = tokenSums >> 1;
  const t0 = <usize>load<u32>(inputs), t1 = <usize>load<u32>(inputs, 4);
  const t2 = n > 2 ? <usize>load<u32>(inputs, 8) : 0, t3 = n > 3 ? <usize>load<u32>(inputs, 12) : 0;
  for (const last = sums + <usize>groups * tokenSums; sums < last; sums += tokenSums) {
    let dx = <usize>(k >> 8) << 2, sum32 = sum32Offset(K, 256) + <usize>(k >> 4), x = qOffset(K, 256) + <usize>k, o = offsets;
    for (const end = dx + (<usize>blocks << 2); dx < end; dx += 4) {
      const d = v128.load(cell);
      if (!fine) {
        flushMins(n, sums, cell + 32, v128.load(cell, 16), sum32, dx, t0, t1, t2, t3);
        sum32 += 16;
      }
      let s0 = z, s1 = z, s2 = z, s3 = z;
      const cellEnd = cell + (fine ? FINE_BYTES : COARSE_BYTES);
      for (cell += fine ? FINE_HEAD : COARSE_HEAD; cell < cellEnd; x += 32) {
        const first = v128.load(cell), a0 = v128.load(cell, 16), b0 = v128.load(cell, 32), a1 = v128.load(cell, 48), b1 = v128.load(cell, 64);
        if (fine) cell += 80;
        else cell += 64;
        const second = fine ? v128.load(cell) : first, a2 = v128.load(cell, 16), b2 = v128.load(cell, 32), a3 = v128.load(cell, 48), b3 = v128.load(cell, 64);
        s0 = dot32(s0, t0 + x, o, oStep, first, second, a0, b0, a1, b1, a2, b2, a3, b3, one, fine, dots);
        s1 = dot32(s1, t1 + x, o + 8, oStep, first, second, a0, b0, a1, b1, a2, b2, a3, b3, one, fine, dots);
        if (n > 2) s2 = dot32(s2, t2 + x, o + 16, oStep, first, second, a0, b0, a1, b1, a2, b2, a3, b3, one, fine, dots);
        if (n > 3) s3 = dot32(s3, t3 + x, o + 24, oStep, first, second, a0, b0, a1, b1, a2, b2, a3, b3, one, fine, dots);
        cell += 80;
        o += oStep << 1;
      }
      flushAll(n, sums, s0, s1, s2, s3, d, dx, t0, t1, t2, t3);
    }
  }
}

// A loop for each number of tokens, kind of sub-blocks and way.

function coarsePairs2(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(2, false, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function coarsePairs3(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(3, false, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function coarsePairs4(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(4, false, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function coarseDots2(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(2, false, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function coarseDots3(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(3, false, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function coarseDots4(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(4, false, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function finePairs2(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(2, true, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function finePairs3(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(3, true, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function finePairs4(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(4, true, false, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function fineDots2(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(2, true, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function fineDots3(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(3, true, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}
function fineDots4(sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  dot(4, true, true, sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
}

function dotCells(n: u32, fine: bool, sums: usize, tokenSums: usize, groups: u32, cell: usize, inputs: usize, offsets: usize, k: u32, blocks: u32, K: u32): void {
  switch ((fine ? 6 : 0) + (dotBytes(K) == Bytes.Unusable ? 0 : 3) + n - 2) {
    case 0: coarsePairs2(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 1: coarsePairs3(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 2: coarsePairs4(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 3: coarseDots2(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 4: coarseDots3(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 5: coarseDots4(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 6: finePairs2(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 7: finePairs3(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 8: finePairs4(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 9: fineDots2(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    case 10: fineDots3(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K); break;
    default: fineDots4(sums, tokenSums, groups, cell, inputs, offsets, k, blocks, K);
  }
}
