// Attention takes queries by fours, a lane each: a token's heads of one kv head, then the next token's; a short quad repeats its last query.
// What is kept of a quad, `State`: the largest score [4], the sum of powers [4], and the weighted values [D/8][4][8], eight elements of
// each query side by side.

import { fma4 } from "../simd";
import { INVERSE, exp2x4, scaledExp2x4 } from "./constants";
import { cellOf } from "./slots";

/**
 * Cells whose scores share one softmax. A token's chunks are summed up each by itself and then merged in order, so that threads can share
 * them, and a token's sum has one order whatever the ubatch. ts/backends/wasm/attention.ts has the same number.
 */
// @ts-ignore: decorator
@inline
export const CHUNK: u32 = 512;

// @ts-ignore: decorator
@inline
export const SUM_AT: usize = 16;
// @ts-ignore: decorator
@inline
export const OUT_AT: usize = 32;

// @ts-ignore: decorator
@inline
export function stateBytes(D: u32): usize {
  return OUT_AT + (<usize>D << 4);
}

/** Four queries of D floats, times `factor` -> [D/4][4][4]. */
export function packQuad(to: usize, a: usize, b: usize, c: usize, d: usize, D: u32, factor: f32): void {
  const by = f32x4.splat(factor);
  for (let i: usize = 0; i < <usize>D << 2; i += 16, to += 64) {
    v128.store(to, f32x4.mul(v128.load(a + i), by));
    v128.store(to, f32x4.mul(v128.load(b + i), by), 16);
    v128.store(to, f32x4.mul(v128.load(c + i), by), 32);
    v128.store(to, f32x4.mul(v128.load(d + i), by), 48);
  }
}

/** Nothing seen yet. */
export function clearState(state: usize, D: u32): void {
  v128.store(state, f32x4.splat(-Infinity));
  memory.fill(state + SUM_AT, 0, stateBytes(D) - SUM_AT);
}

/**
 * scores [slots][4] ← 2^(score - top) · factor of the constants, 0 from a query's `seen` [4] cells on; the state's top and sum ← theirs. A query
 * that sees none of the cells has top -∞ and sum 0.
 */
export function softmax(scores: usize, slots: u32, seen: v128, state: usize, constants: usize): void {
  const end = scores + (<usize>slots << 4), none = f32x4.splat(-Infinity);
  let top = none;
  for (let p = scores, slot: u32 = 0; p < end; p += 16, slot++) {
    const score = v128.bitselect(v128.load(p), none, i32x4.gt_s(seen, i32x4.splat(cellOf(slot, slots))));
    v128.store(p, score);
    top = f32x4.pmax(top, score);
  }
  let sum = f32x4.splat(0);
  for (let p = scores; p < end; p += 16) {
    const score = v128.load(p), e = v128.and(scaledExp2x4(f32x4.sub(score, top), constants), f32x4.gt(score, none));
    sum = f32x4.add(sum, e);
    v128.store(p, e);
  }
  v128.store(state, top);
  v128.store(state, f32x4.mul(sum, v128.load(constants, INVERSE)), SUM_AT);
}

/** state ← what both have seen; with a part that has seen nothing, the same bits as before. */
export function merge(state: usize, part: usize, D: u32, constants: usize): void {
  const before = v128.load(state), added = v128.load(part), top = f32x4.pmax(before, added);
  const keep = exp2x4(f32x4.sub(before, top), constants), take = exp2x4(f32x4.sub(added, top), constants); // 2^-∞ is taken as 2^-125, of nothing
  v128.store(state, top);
  v128.store(state, fma4(v128.load(part, SUM_AT), take, f32x4.mul(v128.load(state, SUM_AT), keep)), SUM_AT);
  mergeLane(state + OUT_AT, part + OUT_AT, f32x4.extract_lane(keep, 0), f32x4.extract_lane(take, 0), D);
  mergeLane(state + OUT_AT + 32, part + OUT_AT + 32, f32x4.extract_lane(keep, 1), f32x4.extract_lane(take, 1), D);
  mergeLane(state + OUT_AT + 64, part + OUT_AT + 64, f32x4.extract_lane(keep, 2), f32x4.extract_lane(take, 2), D);
  mergeLane(state + OUT_AT + 96, part + OUT_AT + 96, f32x4.extract_lane(keep, 3), f32x4.extract_lane(take, 3), D);
}

function mergeLane(to: usize, from: usize, keep: f32, take: f32, D: u32): void {
  const a = f32x4.splat(keep), b = f32x4.splat(take);
  for (const end = to + (<usize>D << 4); to < end; to += 128, from += 128) {
    v128.store(to, fma4(v128.load(from), b, f32x4.mul(v128.load(to), a)));
    v128.store(to, fma4(v128.load(from, 16), b, f32x4.mul(v128.load(to, 16), a)), 16);
  }
}

/** out [D] ← the weighted values of the state's query `lane`, divided by its sum. */
export function finish(out: usize, state: usize, lane: u32, D: u32): void {
  const inverse = f32x4.splat(<f32>1.0 / load<f32>(state + (<usize>lane << 2), SUM_AT));
  let from = state + OUT_AT + (<usize>lane << 5);
  for (const end = out + (<usize>D << 2); out < end; out += 32, from += 128) {
    v128.store(out, f32x4.mul(v128.load(from), inverse));
    v128.store(out, f32x4.mul(v128.load(from, 16), inverse), 16);
  }
}
