// The two products of attention for one quad of queries. Cells come widened, once for many quads, or as halves, for a quad or two. Both ways
// add in the same order.
//
// Float32 bounds the speed: a core makes 6 products a cycle by mul and add, 8 by FMA, and the tiles reach 80 and 75 % of that. Over 32k cells
// attention is then 4/5 of a prompt's time on the qwen35-0.8b shapes: 412 G products a ubatch of 512, beside 256 G in the faster int8.
// What did not pay, measured on x86:
//   i16 for queries, cells or softmax (i32x4.dot_i16x8_s makes up to 12 products a cycle): each alone errs by 0.5 to 3e-4 of the result's root
//   mean square, where the op's tolerance is 1e-5; int8 for the scores errs by 2e-2
//   two steps of D a turn: V8 unrolls these loops itself
//   values of halves by columns, sums in registers, as addValues has them: a line of cache comes back for each 8 elements, 1.2 to 1.4 times as slow
//   reading all lines of the next cells between two products: a load that misses holds up the core as long as it would later

import { halves } from "../cache";
import { fma4, sumsOfFour } from "../simd";
import { F16_BITS, TOUCHED } from "./constants";
import { SLOTS, cellOf } from "./slots";

/** Cells that are widened at once: [64, 256] f32 stay in an L2 cache. */
// @ts-ignore: decorator
@inline
export const BLOCK: u32 = 64;
/** From four elements of a block's widened values to the next four. The odd 64 bytes spread the columns over the sets of an L1 cache. */
// @ts-ignore: decorator
@inline
export const COLUMN: usize = (BLOCK << 4) + 64;

/** scores [slots][4] ← q · key. q [D/4][4][4]; keys [slots/2][D/4][2][4]. */
export function scoreQuad(scores: usize, q: usize, keys: usize, slots: u32, D: u32): void {
  const z = f32x4.splat(0), qEnd = q + (<usize>D << 4);
  for (const end = scores + (<usize>slots << 4); scores < end; scores += 32) {
    let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
    for (let p = q; p < qEnd; p += 64, keys += 32) {
      const a = v128.load(keys), b = v128.load(keys, 16);
      let x = v128.load(p);
      a0 = fma4(x, a, a0); b0 = fma4(x, b, b0);
      x = v128.load(p, 16);
      a1 = fma4(x, a, a1); b1 = fma4(x, b, b1);
      x = v128.load(p, 32);
      a2 = fma4(x, a, a2); b2 = fma4(x, b, b2);
      x = v128.load(p, 48);
      a3 = fma4(x, a, a3); b3 = fma4(x, b, b3);
    }
    v128.store(scores, sumsOfFour(a0, a1, a2, a3));
    v128.store(scores, sumsOfFour(b0, b1, b2, b3), 16);
  }
}

/** The same of halves [n][D]. */
export function scoreHalves(scores: usize, q: usize, keys: usize, n: u32, slots: u32, D: u32, constants: usize): void {
  const z = f32x4.splat(0), row = <usize>D << 1, bits = v128.load(constants, F16_BITS);
  let touched: i64 = 0;
  for (let slot: u32 = 0; slot < slots; slot += 2, scores += 32) {
    if (slot % SLOTS == 0) touched |= touch(keys, slot + SLOTS, n, row);
    let a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z, p = q;
    let from = keys + <usize>cellOf(slot, n) * row, other = keys + <usize>cellOf(slot + 1, n) * row;
    for (const end = from + row; from < end; from += 8, other += 8, p += 64) {
      const a = halves(from, bits), b = halves(other, bits);
      let x = v128.load(p);
      a0 = fma4(x, a, a0); b0 = fma4(x, b, b0);
      x = v128.load(p, 16);
      a1 = fma4(x, a, a1); b1 = fma4(x, b, b1);
      x = v128.load(p, 32);
      a2 = fma4(x, a, a2); b2 = fma4(x, b, b2);
      x = v128.load(p, 48);
      a3 = fma4(x, a, a3); b3 = fma4(x, b, b3);
    }
    v128.store(scores, sumsOfFour(a0, a1, a2, a3));
    v128.store(scores, sumsOfFour(b0, b1, b2, b3), 16);
  }
  store<i64>(constants, touched, TOUCHED);
}

/** Begins on the pages of the next sixteen cells: two lines of each set the prefetcher off. 5 % of decoding over 32k cells. */
// @ts-ignore: decorator
@inline
function touch(rows: usize, slot: u32, n: u32, row: usize): i64 {
  const a = rows + <usize>cellOf(slot, n) * row, b = rows + <usize>cellOf(slot + 1, n) * row;
  const next = min(row - 8, 64);
  return load<i64>(a) | load<i64>(a + next) | load<i64>(b) | load<i64>(b + next);
}

/** out [D/8][4][8] += Σ score · value. scores [slots][4]; values: columns [D/4] of [BLOCK][4]. */
export function addValues(out: usize, scores: usize, values: usize, slots: u32, D: u32): void {
  const scoresEnd = scores + (<usize>slots << 4);
  for (const end = out + (<usize>D << 4); out < end; out += 128, values += 2 * COLUMN) {
    let a0 = v128.load(out), a1 = v128.load(out, 16), b0 = v128.load(out, 32), b1 = v128.load(out, 48);
    let c0 = v128.load(out, 64), c1 = v128.load(out, 80), d0 = v128.load(out, 96), d1 = v128.load(out, 112);
    let v = values;
    for (let p = scores; p < scoresEnd; p += 16, v += 16) {
      const v0 = v128.load(v), v1 = v128.load(v, COLUMN);
      let s = v128.load32_splat(p);
      a0 = fma4(s, v0, a0); a1 = fma4(s, v1, a1);
      s = v128.load32_splat(p, 4);
      b0 = fma4(s, v0, b0); b1 = fma4(s, v1, b1);
      s = v128.load32_splat(p, 8);
      c0 = fma4(s, v0, c0); c1 = fma4(s, v1, c1);
      s = v128.load32_splat(p, 12);
      d0 = fma4(s, v0, d0); d1 = fma4(s, v1, d1);
    }
    v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, b0, 32); v128.store(out, b1, 48);
    v128.store(out, c0, 64); v128.store(out, c1, 80); v128.store(out, d0, 96); v128.store(out, d1, 112);
  }
}

/** The same of halves [n][D]: two rows go by, and `out` stays in an L1 cache. */
export function addHalves(out: usize, scores: usize, values: usize, n: u32, slots: u32, D: u32, constants: usize): void {
  const row = <usize>D << 1, bits = v128.load(constants, F16_BITS);
  let touched: i64 = 0;
  for (let slot: u32 = 0; slot < slots; slot += 2, scores += 32) {
    if (slot % SLOTS == 0) touched |= touch(values, slot + SLOTS, n, row);
    const a0 = v128.load32_splat(scores), a1 = v128.load32_splat(scores, 4), a2 = v128.load32_splat(scores, 8), a3 = v128.load32_splat(scores, 12);
    const b0 = v128.load32_splat(scores, 16), b1 = v128.load32_splat(scores, 20), b2 = v128.load32_splat(scores, 24), b3 = v128.load32_splat(scores, 28);
    let from = values + <usize>cellOf(slot, n) * row, other = values + <usize>cellOf(slot + 1, n) * row, to = out;
    for (const end = from + row; from < end; from += 16, other += 16, to += 128) {
      let a = halves(from, bits), b = halves(other, bits);
      v128.store(to, fma4(b0, b, fma4(a0, a, v128.load(to))));
      v128.store(to, fma4(b1, b, fma4(a1, a, v128.load(to, 32))), 32);
      v128.store(to, fma4(b2, b, fma4(a2, a, v128.load(to, 64))), 64);
      v128.store(to, fma4(b3, b, fma4(a3, a, v128.load(to, 96))), 96);
      a = halves(from + 8, bits); b = halves(other + 8, bits);
      v128.store(to, fma4(b0, b, fma4(a0, a, v128.load(to, 16))), 16);
      v128.store(to, fma4(b1, b, fma4(a1, a, v128.load(to, 48))), 48);
      v128.store(to, fma4(b2, b, fma4(a2, a, v128.load(to, 80))), 80);
      v128.store(to, fma4(b3, b, fma4(a3, a, v128.load(to, 112))), 112);
    }
  }
  store<i64>(constants, touched, TOUCHED);
}
