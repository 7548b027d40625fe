// Scores over q8_0 keys, by products of i16. Queries are in queries_q8_0.ts.
//
// Keys of four cells, woven: for each block of 32 elements f32 scale[4], i16[8][4 cells][4].

import { Format, rowBytes } from "../cache";
import { f16Bits, f16Halves, f16Likely, f16Rebias, f16x4, fma4, mac, opaque, totals } from "../simd";
import { CHUNK } from "./quad";
import { cellOf, slotOf, slotsOf } from "./slots";
import { STEP, addScores } from "./tile_q8_0";

/** Cells that are woven at once: [32, 256] stay in an L1 cache. */
// @ts-ignore: decorator
@inline
const GROUP: u32 = 32;
// @ts-ignore: decorator
@inline
const BLOCK_BYTES: usize = 16 + 8 * STEP;

/** Bytes of four cells. */
// @ts-ignore: decorator
@inline
function keysBytes(D: u32): usize {
  return <usize>(D >> 5) * BLOCK_BYTES;
}

/** Four q8_0 cells -> keys. */
function packKeys(to: usize, a: usize, b: usize, c: usize, d: usize, D: u32): void {
  const bits = opaque(f16Bits(), D), rebias = opaque(f16Rebias(), D);
  for (const end = to + keysBytes(D); to < end; to += BLOCK_BYTES) {
    v128.store(to, f16x4(f16Halves(a, b, c, d), bits, rebias));
    a = packKey(to + 16, a + 2); b = packKey(to + 24, b + 2); c = packKey(to + 32, c + 2); d = packKey(to + 40, d + 2);
  }
}

/** 32 int8 of one cell; returns the end of them. */
// @ts-ignore: decorator
@inline
function packKey(to: usize, from: usize): usize {
  for (let i: usize = 0; i < 4; i++) {
    const eight = v128.load8x8_s(from + (i << 3));
    v128.store64_lane(to + (i << 6), eight, 0);
    v128.store64_lane(to + (i << 6), eight, 1, STEP);
  }
  return from + 32;
}

/** scores [4 cells][4] = q · keys. */
function scoreKeys(scores: usize, q: usize, keys: usize, D: u32): void {
  const z = f32x4.splat(0);
  v128.store(scores, z); v128.store(scores, z, 16); v128.store(scores, z, 32); v128.store(scores, z, 48);
  for (const end = q + (<usize>D << 3); q < end; q += 8 * STEP, keys += BLOCK_BYTES) addScores(scores, keys + 16, q, keys);
  const scale = v128.load(q);
  for (const end = scores + 64; scores < end; scores += 16) v128.store(scores, f32x4.mul(v128.load(scores), scale));
}

/** scores [quads][CHUNK][4] = queries · keys, woven by groups. */
export function scoreGroups(scores: usize, queries: usize, keys: usize, n: u32, quads: u32, D: u32, woven: usize): void {
  const slots = slotsOf(n), row = rowBytes(Format.Q8_0, D), four = keysBytes(D);
  for (let s: u32 = 0; s < slots; s += GROUP) {
    const end = min(s + GROUP, slots);
    for (let i = s, to = woven; i < end; i += 4, to += four) {
      const a = cellOf(i, n), b = cellOf(i + 1, n), c = cellOf(i + 2, n), d = cellOf(i + 3, n);
      packKeys(to, keys + <usize>a * row, keys + <usize>b * row, keys + <usize>c * row, keys + <usize>d * row, D);
    }
    for (let quad: u32 = 0; quad < quads; quad++) {
      const q = queries + (<usize>(quad * D) << 4), to = scores + (<usize>(quad * CHUNK) << 4);
      for (let i = s, from = woven; i < end; i += 4, from += four) scoreKeys(to + (<usize>i << 4), q, from, D);
    }
  }
}

/**
 * scores [slots][4] = q · keys [n][D] as they are, in the order of memory: with what there is to compute on each line, one stream from DRAM
 * keeps ahead best: with the values read likewise, 75 ms over 256k cells; 88 ms in the order of slots or from four places 34 KiB apart.
 */
export function scoreRows(scores: usize, q: usize, keys: usize, n: u32, slots: u32, D: u32): void {
  const z = i32x4.splat(0), row = rowBytes(Format.Q8_0, D), qEnd = q + (<usize>D << 3), scale = v128.load(qEnd);
  for (let cell: u32 = 0; cell < slots; cell += 2) {
    let from = keys + <usize>min(cell, n - 1) * row, other = keys + <usize>min(cell + 1, n - 1) * row, a = f32x4.splat(0), b = a;
    for (let p = q; p < qEnd; ) {
      const da = f32x4.splat(f16Likely(from)), db = f32x4.splat(f16Likely(other));
      let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
      for (const end = p + 256; p < end; p += 64, from += 8, other += 8) {
        const x = v128.load8x8_s(from, 2), y = v128.load8x8_s(other, 2);
        let u = v128.load(p);
        a0 = mac(x, u, a0); b0 = mac(y, u, b0);
        u = v128.load(p, 16);
        a1 = mac(x, u, a1); b1 = mac(y, u, b1);
        u = v128.load(p, 32);
        a2 = mac(x, u, a2); b2 = mac(y, u, b2);
        u = v128.load(p, 48);
        a3 = mac(x, u, a3); b3 = mac(y, u, b3);
      }
      a = fma4(f32x4.convert_i32x4_s(totals(a0, a1, a2, a3)), da, a);
      b = fma4(f32x4.convert_i32x4_s(totals(b0, b1, b2, b3)), db, b);
      from += 2; other += 2;
    }
    const to = scores + (<usize>slotOf(cell) << 4);
    v128.store(to, f32x4.mul(a, scale));
    v128.store(to, f32x4.mul(b, scale), 32);
  }
}
