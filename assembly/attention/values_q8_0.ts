// The sum of q8_0 values, weighted. Many quads: a group of cells is woven and tiled (tile_q8_0.ts). A quad or two: cells are taken as they are.
//
// Scratch of a group, woven: i16[D/4][GROUP/4][4 elements][4 cells], then its scales and the weights of one quad (weights_q8_0.ts).

import { Format, rowBytes } from "../cache";
import { weave4 } from "../matmul/weave";
import { f16Bits, f16Halves, f16Likely, f16Rebias, f16x4, mac, opaque } from "../simd";
import { CHUNK, OUT_AT, stateBytes } from "./quad";
import { cellOf, cellsAt, slotsOf } from "./slots";
import { addScaled, addWeighted } from "./tile_q8_0";
import { BLOCK_SCALES, GROUP, SCALE_AT, WEIGHTS, WEIGHTS_BYTES, compareScales, share, weigh } from "./weights_q8_0";

/** Four elements of a group. */
// @ts-ignore: decorator
@inline
const COLUMN: usize = <usize>GROUP << 3;

/** parts: states [quads], whose values are [D/8][4][8], += scores [quads][CHUNK][4] · values [n][D], woven by groups. */
export function addGroups(parts: usize, scores: usize, values: usize, n: u32, quads: u32, D: u32, woven: usize): void {
  const slots = slotsOf(n), row = rowBytes(Format.Q8_0, D), scales = woven + (<usize>D << 1) * GROUP, weights = scales + <usize>(D >> 5) * BLOCK_SCALES;
  clearBehind(scores, slots, quads);
  for (let s: u32 = 0; s < slots; s += GROUP) {
    for (let i: u32 = 0; i < GROUP; i += 4) {
      const a = cellOf(s + i, n), b = cellOf(s + i + 1, n), c = cellOf(s + i + 2, n), d = cellOf(s + i + 3, n);
      packValues(woven + (<usize>i << 3), scales + (<usize>i << 2), values + <usize>a * row, values + <usize>b * row, values + <usize>c * row, values + <usize>d * row, D);
    }
    compareScales(scales, D);
    for (let i: u32 = 0; i < quads; i++) addGroup(parts + <usize>i * stateBytes(D) + OUT_AT, scores + (<usize>(i * CHUNK + s) << 4), woven, scales, weights, D);
  }
  for (let i: u32 = 0; i < quads; i++) turn(parts + <usize>i * stateBytes(D) + OUT_AT, D);
}

/** Groups are whole: slots behind the last one have score 0. */
export function clearBehind(scores: usize, slots: u32, quads: u32): void {
  const over = slots % GROUP;
  if (over != 0) for (let i: u32 = 0; i < quads; i++) memory.fill(scores + (<usize>(i * CHUNK + slots) << 4), 0, <usize>(GROUP - over) << 4);
}

/** Four cells: into a place of each column, and their d. */
function packValues(to: usize, scales: usize, a: usize, b: usize, c: usize, d: usize, D: u32): void {
  const bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  for (const end = a + rowBytes(Format.Q8_0, D); a < end; scales += BLOCK_SCALES) {
    v128.store(scales, f16x4(f16Halves(a, b, c, d), bits, rebias));
    a += 2; b += 2; c += 2; d += 2;
    for (const blockEnd = a + 32; a < blockEnd; a += 8, b += 8, c += 8, d += 8, to += 2 * COLUMN) {
      weaveEight(to, v128.load8x8_s(a), v128.load8x8_s(b), v128.load8x8_s(c), v128.load8x8_s(d));
    }
  }
}

/** Eight elements of four cells: i16[4][4] in each of two columns. */
// @ts-ignore: decorator
@inline
function weaveEight(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  let ab = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11), cd = v128.shuffle<i16>(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5));
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), 16);
  ab = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15); cd = v128.shuffle<i16>(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
  v128.store(to, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5), COLUMN);
  v128.store(to, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), COLUMN + 16);
}

/** out [D][4] += p [GROUP][4] · woven values. */
function addGroup(out: usize, p: usize, woven: usize, scales: usize, weights: usize, D: u32): void {
  const all = share(weights, p, false);
  for (const end = out + (<usize>D << 4); out < end; scales += BLOCK_SCALES) {
    weigh(weights, scales, all, D);
    for (const blockEnd = out + 512; out < blockEnd; out += 64, woven += COLUMN) addWeighted(out, woven, woven + COLUMN, weights, weights + SCALE_AT);
  }
}

/** [D][4] -> [D/8][4][8], in place. */
function turn(out: usize, D: u32): void {
  for (const end = out + (<usize>D << 4); out < end; out += 128) {
    const a = v128.load(out), b = v128.load(out, 16), c = v128.load(out, 32), d = v128.load(out, 48);
    const e = v128.load(out, 64), f = v128.load(out, 80), g = v128.load(out, 96), h = v128.load(out, 112);
    weave4(a, b, c, d, out, 32);
    weave4(e, f, g, h, out + 16, 32);
  }
}

/**
 * The same of cells as they are: eight elements of a group at a time, sums in registers. The d of the next group are read meanwhile, a cell after
 * eight elements, which fetches the cell's lines in the order of memory.
 */
export function addRows(parts: usize, scores: usize, values: usize, n: u32, quads: u32, D: u32, scratch: usize): void {
  const row = rowBytes(Format.Q8_0, D), bytes = <usize>(D >> 5) * BLOCK_SCALES, weights = scratch + <usize>GROUP * row;
  let scales = weights + WEIGHTS_BYTES, other = scales + bytes, from = cellsAt(values, 0, n, GROUP, row, scratch);
  clearBehind(scores, slotsOf(n), quads);
  for (let i: u32 = 0; i < GROUP; i++) widenScales(scales, i, from, D);
  for (let s: u32 = 0; s < n; s += GROUP) {
    const next = s + GROUP < n ? cellsAt(values, s + GROUP, n, GROUP, row, scratch) : 0;
    compareScales(scales, D);
    for (let i: u32 = 0; i < quads; i++) {
      addGroupRows(parts + <usize>i * stateBytes(D) + OUT_AT, scores + (<usize>(i * CHUNK + s) << 4), from, scales, weights, D, i == 0 ? next : 0, other);
    }
    const t = scales; scales = other; other = t;
    from = next;
  }
}

/** The d of a group's cell i. */
// @ts-ignore: decorator
@inline
function widenScales(scales: usize, i: u32, values: usize, D: u32): void {
  const row = rowBytes(Format.Q8_0, D);
  let cell = values + <usize>i * row, to = scales + (<usize>i << 2);
  for (const end = cell + row; cell < end; cell += 34, to += BLOCK_SCALES) store<f32>(to, f16Likely(cell));
}

/** out [D/8][4][8] += p [GROUP][4] · values of GROUP cells; nextScales ← d of the cells at `next`, unless that is 0. */
function addGroupRows(out: usize, p: usize, values: usize, scales: usize, weights: usize, D: u32, next: usize, nextScales: usize): void {
  const octets = D >> 3, row = rowBytes(Format.Q8_0, D), all = share(weights, p, true);
  for (let octet: u32 = 0, read: u32 = 0; octet < octets; octet++, values += 8, out += 128) {
    if (octet % 4 == 0) {
      weigh(weights, scales, all, D);
      scales += BLOCK_SCALES; values += 2;
    }
    addEight(out, values, row, weights);
    if (next) for (const end = GROUP * (octet + 1) / octets; read < end; read++) widenScales(nextScales, read, next, D);
  }
}

/** out [4][8] += eight elements of GROUP cells, weighted. */
// @ts-ignore: decorator
@inline
function addEight(out: usize, values: usize, row: usize, weights: usize): void {
  const z = i32x4.splat(0), end = weights + WEIGHTS;
  let a0 = z, a1 = z, b0 = z, b1 = z, c0 = z, c1 = z, d0 = z, d1 = z;
  for (; weights < end; weights += 16, values += 2 * row) {
    const x = v128.load8x8_s(values), y = v128.load8x8_s(values + row);
    const low = v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11), high = v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
    let w = v128.load32_splat(weights);
    a0 = mac(low, w, a0); a1 = mac(high, w, a1);
    w = v128.load32_splat(weights, 4);
    b0 = mac(low, w, b0); b1 = mac(high, w, b1);
    w = v128.load32_splat(weights, 8);
    c0 = mac(low, w, c0); c1 = mac(high, w, c1);
    w = v128.load32_splat(weights, 12);
    d0 = mac(low, w, d0); d1 = mac(high, w, d1);
  }
  const scales = end + (SCALE_AT - WEIGHTS);
  let scale = v128.load32_splat(scales);
  addScaled(out, a0, scale); addScaled(out + 16, a1, scale);
  scale = v128.load32_splat(scales, 4);
  addScaled(out + 32, b0, scale); addScaled(out + 48, b1, scale);
  scale = v128.load32_splat(scales, 8);
  addScaled(out + 64, c0, scale); addScaled(out + 80, c1, scale);
  scale = v128.load32_splat(scales, 12);
  addScaled(out + 96, d0, scale); addScaled(out + 112, d1, scale);
}
