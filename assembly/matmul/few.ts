// Few tokens, as streams decode them or an expert gets them: each weight is read and taken apart once for all of them. A piece of four rows at a
// time is unpacked, to cells that tokens go through by fours: of bytes (few_cells.ts) or, without relaxed SIMD, of words (few_words.ts). No token is
// woven as for a tile (panel.ts), which therefore pays only for more of them. For formats in blocks of 256.

import { inputRowBytes, rowBytes } from "../formats/table";
import { Q6_K } from "../formats/ids";
import { storeRows } from "./combine";
import { cells, putOffsets } from "./few_cells";
import { words } from "./few_words";
import { streamsApart } from "./streams";
import { weave4 } from "./weave";

/** Tokens at most: as far as this is ahead of tiles; see hasFew in gemm.ts. */
// @ts-ignore: decorator
@inline
export const FEW_TOKENS: u32 = 32;

/** Weights of a row that are unpacked at once, for four rows: they stay in L1. Where rows are short, those of several rows. */
// @ts-ignore: decorator
@inline
const PIECE: u32 = 1024;

/** Scratch: f32 sums[PIECE / 256][tokens][4], u32 inputs[tokens], 16 KiB for a piece, the offsets of few_cells.ts. */
const INPUTS: usize = (PIECE / 256) * (FEW_TOKENS << 4);
const UNPACKED: usize = INPUTS + (FEW_TOKENS << 2);
const OFFSETS: usize = UNPACKED + (16 << 10);

/** out = x · wᵀ for rows first .. last of w and `tokens` tokens from the one numbered `from` on; `list` and `share` as in gemm.ts. */
export function few(out: usize, x: usize, w: usize, list: usize, share: u32, from: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, first: u32, last: u32): void {
  const xBytes = inputRowBytes(format, K), inputs = scratch + INPUTS;
  for (let i: u32 = 0; i < tokens; i++) store<u32>(inputs + (<usize>i << 2), <u32>(x + <usize>(outRow(list, from + i) / share) * xBytes));
  if (ASC_FEATURE_RELAXED_SIMD && format == Q6_K) putOffsets(inputs, tokens, K, scratch + OFFSETS);
  const bytes = rowBytes(format, K), sums = scratch, tokenSums = <usize>tokens << 4;
  const rows = last - first, apart = streamsApart(rows), step = <usize>apart * bytes;
  for (let r: u32 = 0; r < apart; ) {
    const n = first + r, count = (rows - r + apart - 1) / apart;
    const groups = max(1, min(PIECE / K, min(apart, rows - (count - 1) * apart) - r)); // rows of a piece: each has `count` to meet
    const end = sums + <usize>groups * tokenSums;
    for (let to = sums; to < end; to += 16) v128.store(to, f32x4.splat(0));
    for (let k: u32 = 0; k < K; k += PIECE) piece(w + <usize>n * bytes, step, count, k, min(PIECE, K - k), groups, tokens, K, format, scratch);
    for (let i: u32 = 0; i < tokens; i++) {
      let to = out + (<usize>outRow(list, from + i) * <usize>N + <usize>n << 2);
      if (groups == 4 && count == 4) { // four groups' results of four rows: a row's lie side by side
        const at = sums + (<usize>i << 4);
        weave4(v128.load(at), v128.load(at + tokenSums), v128.load(at + 2 * tokenSums), v128.load(at + 3 * tokenSums), to, <usize>apart << 2);
      } else for (let at = sums + (<usize>i << 4); at < end; at += tokenSums, to += 4) storeRows(to, count, <usize>apart << 2, v128.load(at));
    }
    r += groups;
  }
}

/** The row of out that token i of a list has; the list is 0 for tokens 0, 1, 2… */
// @ts-ignore: decorator
@inline
export function outRow(list: usize, i: u32): u32 {
  return list == 0 ? i : load<u32>(list + (<usize>i << 2));
}

function piece(w: usize, step: usize, rows: u32, k: u32, count: u32, groups: u32, tokens: u32, K: u32, format: u32, scratch: usize): void {
  const unpacked = scratch + UNPACKED;
  if (ASC_FEATURE_RELAXED_SIMD) cells(w, step, rows, k, count, groups, scratch, scratch + INPUTS, tokens, K, format, unpacked, scratch + OFFSETS);
  else words(w, step, rows, k, count, groups, scratch, scratch + INPUTS, tokens, K, format, unpacked);
}
