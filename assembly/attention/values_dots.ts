// The sum of q8_0 values, weighted, by dot-adds (two_bytes.ts), for one quad as well as for many. While a group of cells is computed on, the next one
// is woven, four cells after some elements, and cells after those fetched: they come from memory while there is much to compute.
//
// A group, woven: i8[D/8][GROUP/4][8 elements][4 cells], then its scales (weights_q8_0.ts).
// Scratch: the last cells and zeros, weights of one quad, what was touched, two groups.

import { Format, rowBytes } from "../cache";
import { f16Bits, f16Halves, f16Rebias, f16x4, opaque } from "../simd";
import { Bytes, dotBytes } from "../dots";
import { carryOf, excessOf } from "./two_bytes";
import { CHUNK, OUT_AT, stateBytes } from "./quad";
import { cellsAt, slotsOf, touch } from "./slots";
import { dotEight } from "./tile_dots";
import { clearBehind } from "./values_q8_0";
import { BLOCK_SCALES, GROUP, SCALE_AT, WEIGHTS, WEIGHTS_BYTES, compareScales, share, weigh } from "./weights_q8_0";

/** Eight elements of a group. */
// @ts-ignore: decorator
@inline
const OCTET: usize = <usize>GROUP << 3;
// @ts-ignore: decorator
@inline
const STEPS: u32 = GROUP >> 2;
/** Cells from those that are woven to those that are fetched. */
// @ts-ignore: decorator
@inline
const AHEAD: usize = 8;

/** parts: states [quads], whose values are [D/8][4][8], += scores [quads][CHUNK][4] · values [n][D]. */
export function addDots(parts: usize, scores: usize, values: usize, n: u32, quads: u32, D: u32, scratch: usize): void {
  const row = rowBytes(Format.Q8_0, D), weights = scratch + <usize>GROUP * row;
  const first = weights + WEIGHTS_BYTES + 16, second = first + <usize>GROUP * D + <usize>(D >> 5) * BLOCK_SCALES;
  let group = first, from = cellsAt(values, 0, n, GROUP, row, scratch);
  clearBehind(scores, slotsOf(n), quads);
  for (let step: u32 = 0; step < STEPS; step++) weaveStep(group, step, from, D);
  for (let s: u32 = 0; s < n; s += GROUP) {
    const next = group == first ? second : first;
    from = s + GROUP < n ? cellsAt(values, s + GROUP, n, GROUP, row, scratch) : 0;
    const negative = compareScales(group + <usize>GROUP * D, D);
    const ahead = s + 3 * GROUP <= n ? from + AHEAD * row : 0;
    addGroup(parts + OUT_AT, scores + (<usize>s << 4), group, weights, D, negative, from, next, ahead);
    for (let i: u32 = 1; i < quads; i++) {
      addGroup(parts + <usize>i * stateBytes(D) + OUT_AT, scores + (<usize>(i * CHUNK + s) << 4), group, weights, D, negative, 0, 0, 0);
    }
    group = next;
  }
}

/** Four cells of a group, in the order 0 2 1 3, as split() leaves their weights. */
function weaveStep(group: usize, step: u32, values: usize, D: u32): void {
  const row = rowBytes(Format.Q8_0, D);
  let scales = group + <usize>GROUP * D + (<usize>step << 4);
  const bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  let to = group + (<usize>step << 5), a = values + <usize>(step << 2) * row, b = a + 2 * row, c = a + row, d = b + row;
  for (const end = c; a < end; a += 34, b += 34, c += 34, d += 34, to += 4 * OCTET, scales += BLOCK_SCALES) {
    v128.store(scales, f16x4(f16Halves(a, c, b, d), bits, rebias));
    weaveSixteen(to, a + 2, b + 2, c + 2, d + 2);
    weaveSixteen(to + 2 * OCTET, a + 18, b + 18, c + 18, d + 18);
  }
}

/** Sixteen elements of four cells: i8[8][4] in each of two octets. */
// @ts-ignore: decorator
@inline
function weaveSixteen(to: usize, p: usize, q: usize, r: usize, s: usize): void {
  const a = v128.load(p), b = v128.load(q), c = v128.load(r), d = v128.load(s);
  let ab = v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  let cd = v128.shuffle<i8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  v128.store(to, v128.shuffle<i16>(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to, v128.shuffle<i16>(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  ab = v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  cd = v128.shuffle<i8>(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, v128.shuffle<i16>(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11), OCTET);
  v128.store(to, v128.shuffle<i16>(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15), OCTET + 16);
}

/**
 * out [D/8][4][8] += p [GROUP slots][4] · the group; next ← the cells at `from`, and those at `ahead` and further on are fetched, unless that is 0.
 * Unsigned weights are 0 and more, as every d is that kv_write makes; where one is `negative`, sums of the cells are needed as over keys.
 */
function addGroup(out: usize, p: usize, group: usize, weights: usize, D: u32, negative: bool, from: usize, next: usize, ahead: usize): void {
  const octets = D >> 3, all = share(weights, p, true), z = i32x4.splat(0), low = opaque(i16x8.splat(255), D);
  const carry = negative || dotBytes(D) == Bytes.Signed ? carryOf(D) : z;
  let scales = group + <usize>GROUP * D, touched: u32 = 0;
  for (let octet: u32 = 0, step: u32 = 0; octet < octets; octet++, group += OCTET, out += 128) {
    if (octet % 4 == 0) {
      weigh(weights, scales, all, D);
      split(weights, low, carry);
      scales += BLOCK_SCALES;
    }
    dotEight(out, group, weights, negative ? excessOf(group, D) : z, negative ? excessOf(group + 16, D) : z, weights + SCALE_AT, false);
    if (from) for (const end = STEPS * (octet + 1) / octets; step < end; step++) weaveStep(next, step, from, D);
    if (ahead) {
      touched |= touch(ahead);
      ahead += <usize>GROUP / 4 * 34;
    }
  }
  store<u32>(weights, touched, WEIGHTS_BYTES);
}

/** Weights i16[GROUP/2][4][2] -> u8[GROUP/4][high, low][4][4], of cells in the order 0 2 1 3. */
// @ts-ignore: decorator
@inline
function split(weights: usize, low: v128, carry: v128): void {
  for (const end = weights + WEIGHTS; weights < end; weights += 32) {
    const a = v128.load(weights), b = v128.load(weights, 16);
    v128.store(weights, v128.or(i16x8.shr_u(i16x8.add(a, carry), 8), v128.andnot(i16x8.add(b, carry), low)));
    v128.store(weights, v128.or(v128.and(a, low), i16x8.shl(b, 8)), 16);
  }
}
