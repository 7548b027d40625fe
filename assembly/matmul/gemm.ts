// out = x · wᵀ for some rows of w and a list of tokens: matvec for one token, few.ts for some, panels and tiles for more. ops/matmul.ts gives all tokens,
// ops/matmul_experts.ts an expert's.
//
// A token's result is the same bits by either way: a block's sum is exact in i32, and then both add sum · (d · dx) to one float, block by
// block, mins before data (Q8_0 by fours: formats/q8_0.ts). It has to be: a difference of 1e-7 tips the rounding of an activation or the
// choice of an expert now and then, and perplexity at ubatch 1 and 256 differed by 2e-3. The price is the lanes' sum once a block (simd.ts
// total): nothing for blocks of 256.

import { blockSize, codeSteps, hasMins, inputRowBytes, isFloat, matvec, rowBytes, widenFloats } from "../formats/table";
import { F32, Q4_0, Q4_K, Q6_K, Q8_0 } from "../formats/ids";
import { FEW_TOKENS, few, outRow } from "./few";
import { groupSteps, minSteps } from "./panel_codes";
import { PANEL_ROWS, QUAD_TOKENS, packPanel, packQuad, panelBytes, quadBytes } from "./panel";
import { now } from "../clock";
import { ACC_BYTES, clearAcc, tileFours, tileInt } from "./tile";
import { chosenTile, firstTile, isDuel, secondTile, settle } from "./tile_choice";
import { tileCodes } from "./tile_codes";
import { dotPair } from "./tile_float";

/**
 * Formats that few.ts knows: fastest from 2 tokens to FEW_TOKENS, without relaxed SIMD from 1, measured on x86 (256x256 and 2048x2048). GFLOP/s of
 * Q4_K, 2048x2048, beside the best of the relaxed build's tiles: 97 against 63 for 8 tokens, 107 against 81 for 16, 98 against 85 for 32 (Deno 82,
 * 70 for 16 and 85, 84 for 32); from 64 tokens on it is behind in Deno and, with AVX-VNNI switched off, in Node. Without relaxed SIMD: 51 against 47
 * for 20, 52 against 51 for 32, 52 against 53 for 64; for one token 24 against a matvec's 22, of 256x256 23 against 19.
 */
function hasFew(format: u32): bool {
  return format == Q4_K || format == Q6_K;
}

/**
 * Fewest tokens for which packing panels pays for the others, measured on x86 (2048x2048): packing costs about one quad of tokens, and a
 * token's matvec between a third (relaxed Q4_0) and all of a quad (Q5_K without relaxed SIMD).
 */
function gemmTokens(format: u32): u32 {
  return ASC_FEATURE_RELAXED_SIMD && format == Q4_0 ? 6 : 4;
}

/**
 * Tokens woven at once, as bytes of their quads: a panel is packed for all of them and stays in the L1 cache, while they stream from L2.
 * Scratch: strips (8 · 1024 f32 at most), four accs, quads, panel, or eight rows of f32; matmulScratchBytes in
 * ts/backends/wasm/activation.ts adds them up.
 */
const QUADS_BYTES: usize = 1 << 20;
const STRIPS_BYTES: usize = 32 << 10;

/** One product: plain numbers, passed on as they are. `list` is 0 for tokens 0, 1, 2…, else u32 rows of out; row i reads x row i / share. */
export function gemm(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  end = min(end, (N + PANEL_ROWS - 1) / PANEL_ROWS); // whatever the caller counts as units, no row beyond N is written
  if (tokens == 1) each(out, x, w, list, share, 0, 1, N, K, format, scratch, begin, end);
  else if (isFloat(format)) floats(out, x, w, list, share, tokens, N, K, format, scratch, begin, end);
  else if (hasFew(format) && tokens <= FEW_TOKENS) few(out, x, w, list, share, 0, tokens, N, K, format, scratch, begin * PANEL_ROWS, min(end * PANEL_ROWS, N));
  else if (tokens < gemmTokens(format)) each(out, x, w, list, share, 0, tokens, N, K, format, scratch, begin, end);
  else many(out, x, w, list, share, tokens, N, K, format, scratch, begin, end);
}

/** Tokens from .. to, each by itself. */
function each(out: usize, x: usize, w: usize, list: usize, share: u32, from: u32, to: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = rowBytes(format, K), xBytes = inputRowBytes(format, K), last = min(end * PANEL_ROWS, N);
  if (!ASC_FEATURE_RELAXED_SIMD && hasFew(format)) {
    for (let i = from; i < to; i++) few(out, x, w, list, share, i, 1, N, K, format, scratch, begin * PANEL_ROWS, last);
    return;
  }
  // One token streams all its rows in one call; more take turns on eight rows, which stay in the L1 cache.
  const run = to - from == 1 ? last : PANEL_ROWS;
  for (let n = begin * PANEL_ROWS; n < last; n += run) {
    for (let i = from; i < to; i++) {
      const row = outRow(list, i);
      matvec(format, w + <usize>n * bytes, x + <usize>(row / share) * xBytes, out + (<usize>row * <usize>N + <usize>n << 2), min(run, last - n), K, scratch);
    }
  }
}

/** Float formats: eight rows are widened once for all tokens, F32 not even that. */
function floats(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = rowBytes(format, K), wide = <usize>K << 2, last = min(end * PANEL_ROWS, N);
  for (let n = begin * PANEL_ROWS; n < last; n += PANEL_ROWS) {
    const rows = min(PANEL_ROWS, last - n);
    let panel = w + <usize>n * bytes;
    if (format != F32) {
      for (let r: u32 = 0; r < rows; r++) widenFloats(format, panel + <usize>r * bytes, K, scratch + <usize>r * wide);
      panel = scratch;
    }
    for (let t: u32 = 0; t < tokens; t += 2) {
      const a = outRow(list, t), b = outRow(list, min(t + 1, tokens - 1)); // an odd last token is done twice, to the same bits
      for (let r: u32 = 0; r < rows; r++) {
        const to = out + (<usize>(n + r) << 2);
        const x0 = x + <usize>(a / share) * wide, x1 = x + <usize>(b / share) * wide;
        dotPair(panel + <usize>r * wide, x0, x1, K, to + (<usize>a * <usize>N << 2), to + (<usize>b * <usize>N << 2));
      }
    }
  }
}

function many(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = panelBytes(format, K), step = quadBytes(format, K), acc = scratch + STRIPS_BYTES, panel = acc + 4 * ACC_BYTES, quads = panel + bytes;
  const run = QUAD_TOKENS * max(1, <u32>(QUADS_BYTES / step));
  const whole = tokens % QUAD_TOKENS == 1 ? tokens - 1 : tokens; // one token over: its matvec is cheaper than a quad that is three quarters empty
  for (let from: u32 = 0; from < whole; from += run) {
    const to = min(from + run, whole);
    for (let t = from, quad = quads; t < to; t += QUAD_TOKENS, quad += step) quadOf(x, list, share, t, tokens, K, format, quad);
    for (let g = begin; g < end; g++) {
      const n = g * PANEL_ROWS, count = (to - from + QUAD_TOKENS - 1) / QUAD_TOKENS;
      packPanel(format, w, n, N, K, panel, scratch);
      if (codeSteps(format) != 0 && isDuel(count)) {
        const half = count >> 1, middle = from + half * QUAD_TOKENS, start = now();
        tiles(firstTile(), out, list, from, middle, tokens, n, N, K, format, panel, quads, acc);
        const turn = now();
        tiles(secondTile(), out, list, middle, to, tokens, n, N, K, format, panel, quads + half * step, acc);
        settle(turn - start, now() - turn);
      } else {
        tiles(chosenTile(), out, list, from, to, tokens, n, N, K, format, panel, quads, acc);
      }
    }
  }
  if (whole < tokens) each(out, x, w, list, share, whole, tokens, N, K, format, scratch, begin, end);
}

/** A panel, rows n .. n + 7, by the quads of tokens from .. to. `way`: which tile, for formats with codes. */
function tiles(way: u32, out: usize, list: usize, from: u32, to: u32, tokens: u32, n: u32, N: u32, K: u32, format: u32, panel: usize, quad: usize, acc: usize): void {
  const bytes = panelBytes(format, K), step = quadBytes(format, K);
  for (let t = from; t < to; t += QUAD_TOKENS, quad += step) {
    tile(way, format, panel, bytes, quad, acc);
    storeTile(out, list, t, tokens, n, N, acc);
  }
}

/** Tokens t .. t + 3 -> quad; a short quad repeats the last token. */
function quadOf(x: usize, list: usize, share: u32, t: u32, tokens: u32, K: u32, format: u32, quad: usize): void {
  const bytes = inputRowBytes(format, K), last = tokens - 1;
  const a = <usize>(outRow(list, t) / share), b = <usize>(outRow(list, min(t + 1, last)) / share);
  const c = <usize>(outRow(list, min(t + 2, last)) / share), d = <usize>(outRow(list, min(t + 3, last)) / share);
  packQuad(format, x + a * bytes, x + b * bytes, x + c * bytes, x + d * bytes, K, quad);
}

/** Rows n .. n + 7 of tokens t .. t + 3, as far as there are so many. */
function storeTile(out: usize, list: usize, t: u32, tokens: u32, n: u32, N: u32, acc: usize): void {
  for (const end = min(t + QUAD_TOKENS, tokens); t < end; t++, acc += 32) {
    store8(out + (<usize>outRow(list, t) * <usize>N + <usize>n << 2), acc, N - n);
  }
}

function tile(way: u32, format: u32, panel: usize, bytes: usize, quad: usize, acc: usize): void {
  if (codeSteps(format) != 0) {
    clearAcc(acc);
    tileCodes(way, panel, panel + bytes, quad, acc, blockSize(format), minSteps(format), groupSteps(format), codeSteps(format), !hasMins(format));
  } else if (format == Q8_0) {
    tileFours(panel, panel + bytes, quad, acc, 16);
  } else {
    const steps = blockSize(format) >> 1;
    tileInt(panel, panel + bytes, quad, acc, hasMins(format) ? steps >> 4 : steps, steps);
  }
}

/** Eight results, or as many as the matrix has rows left. */
function store8(out: usize, from: usize, left: u32): void {
  if (left >= PANEL_ROWS) {
    v128.store(out, v128.load(from));
    v128.store(out, v128.load(from, 16), 16);
  } else {
    for (let i: usize = 0; i < <usize>left; i++) store<f32>(out + (i << 2), load<f32>(from + (i << 2)));
  }
}
