// out = x · wᵀ for some rows of w and a list of tokens: matvec for few tokens, panels and tiles for more. ops/matmul.ts gives all tokens,
// ops/matmul_experts.ts an expert's.

import { blockSize, hasMins, inputRowBytes, isFloat, matvec, rowBytes } from "../formats/table";
import { STRIP, STRIP_BYTES } from "../formats/strip";
import { PANEL_ROWS, QUAD_TOKENS, packPanel, packQuad, panelBytes, quadBytes } from "./panel";
import { ACC_BYTES, clearAcc, tileFloat, tileInt } from "./tile";

/** Fewest tokens for which packing a panel pays, measured. */
const GEMM_TOKENS: u32 = 4;

/**
 * Panels held at once: a quad of tokens is woven once for all of them. 256 KiB leave room in an L2 cache of 512 KiB or more.
 * Scratch: strips (8 · 1024 f32 at most), acc, quad, panels; matmulScratchBytes in ts/backends/wasm/activation.ts adds them up.
 */
const PANELS_BYTES: usize = 256 << 10;
const MOST_PANELS: u32 = 8;
const STRIPS_BYTES: usize = 32 << 10;

/** One product: plain numbers, passed on as they are. `list` is 0 for tokens 0, 1, 2…, else u32 rows of out; row i reads x row i / share. */
export function gemm(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  if (tokens < GEMM_TOKENS) few(out, x, w, list, share, tokens, N, K, format, scratch, begin, end);
  else many(out, x, w, list, share, tokens, N, K, format, scratch, begin, end);
}

// @ts-ignore: decorator
@inline
function outRow(list: usize, i: u32): u32 {
  return list == 0 ? i : load<u32>(list + (<usize>i << 2));
}

function few(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = rowBytes(format, K), xBytes = inputRowBytes(format, K), last = min(end * PANEL_ROWS, N);
  // One token streams all its rows in one call; more take turns on eight rows, which stay in the L1 cache.
  const run = tokens == 1 ? last : PANEL_ROWS;
  for (let n = begin * PANEL_ROWS; n < last; n += run) {
    for (let i: u32 = 0; i < tokens; i++) {
      const row = outRow(list, i);
      matvec(format, w + <usize>n * bytes, x + <usize>(row / share) * xBytes, out + (<usize>row * <usize>N + <usize>n << 2), min(run, last - n), K, scratch);
    }
  }
}

function many(out: usize, x: usize, w: usize, list: usize, share: u32, tokens: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = panelBytes(format, K), xBytes = inputRowBytes(format, K);
  const acc = scratch + STRIPS_BYTES, quad = acc + ACC_BYTES, panels = quad + quadBytes(format, K);
  const held = max(1, min(MOST_PANELS, <u32>(PANELS_BYTES / bytes)));
  for (let g = begin; g < end; g += held) {
    const groups = min(held, end - g);
    for (let i: u32 = 0; i < groups; i++) packPanel(format, w, (g + i) * PANEL_ROWS, N, K, panels + <usize>i * bytes, scratch);
    for (let t: u32 = 0; t < tokens; t += QUAD_TOKENS) {
      const last = tokens - 1; // a short quad repeats the last token
      packQuad(format, x + <usize>(outRow(list, t) / share) * xBytes, x + <usize>(outRow(list, min(t + 1, last)) / share) * xBytes,
        x + <usize>(outRow(list, min(t + 2, last)) / share) * xBytes, x + <usize>(outRow(list, min(t + 3, last)) / share) * xBytes, K, quad);
      for (let i: u32 = 0; i < groups; i++) {
        tile(format, panels + <usize>i * bytes, bytes, quad, acc);
        const n = (g + i) * PANEL_ROWS;
        for (let j: u32 = 0; j < min(QUAD_TOKENS, tokens - t); j++) {
          store8(out + (<usize>outRow(list, t + j) * <usize>N + <usize>n << 2), acc + (<usize>j << 5), N - n);
        }
      }
    }
  }
}

function tile(format: u32, panel: usize, bytes: usize, quad: usize, acc: usize): void {
  clearAcc(acc);
  if (isFloat(format)) {
    tileFloat(panel, panel + bytes, quad, acc);
  } else {
    const steps = blockSize(format) >> 1;
    tileInt(panel, panel + bytes, quad, acc, steps, hasMins(format) ? steps >> 4 : steps);
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
