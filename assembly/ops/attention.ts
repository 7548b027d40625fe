import { addCells, packQueriesOf, scoreCells } from "../attention/cells";
import { CONSTANTS_BYTES, storeConstants } from "../attention/constants";
import { CHUNK, OUT_AT, clearState, finish, merge, softmax, stateBytes } from "../attention/quad";
import { slotsOf } from "../attention/slots";
import { COLUMN } from "../attention/tile";
import { Format, factorOf, rowBytes } from "../cache";

/** Queries for which cells are widened once, at least one token's. ts/graph/ops/attention.ts has the same numbers. */
const QUERIES: u32 = 64;
/** Units that a ubatch should give: fewer queries share a unit in a small one. */
const UNITS: u32 = 16;
/** log2 e: powers of two take fewer steps than powers of e. */
const LOG2E: f32 = 1.44269504;

/**
 * Unit: a kv head g and some tokens. q, out [T, H, D]; caches [S, G, N, D]; rows, positions [T]. Online softmax (Milakov & Gimelshein 2018)
 * over chunks of cells.
 * scratch: constants; a block of widened cells [D/4, COLUMN]; of each quad: queries [D, 4], scores [CHUNK, 4], the state of a chunk and of all.
 */
export function attention(out: usize, q: usize, kCache: usize, vCache: usize, rows: usize, positions: usize, T: u32, H: u32, G: u32, N: u32, D: u32, scale: f32, kCacheFormat: u32, vCacheFormat: u32, scratch: usize, begin: u32, end: u32): void {
  const group = H / G, tokens = max(1, min(QUERIES / group, T * G / UNITS)), headBytes = <usize>D << 2, bytes = stateBytes(D);
  storeConstants(scratch, factorOf(<Format>vCacheFormat));
  for (let unit = begin; unit < end; unit++) {
    const g = unit % G, last = min(T, (unit / G + 1) * tokens);
    for (let t = (unit / G) * tokens; t < last; ) {
      const n = tokensOfSequence(rows, t, last), R = n * group, quads = (R + 3) >> 2, first = <usize>(t * H + g * group) * headBytes;
      const stripe = <usize>((load<u32>(rows + (<usize>t << 2)) * G + g) * N), cells = cellsOf(positions, t + n - 1);
      const keys = kCache + stripe * rowBytes(<Format>kCacheFormat, D), values = vCache + stripe * rowBytes(<Format>vCacheFormat, D);
      const parts = packQueries(scratch, q + first, R, group, H, D, scale * LOG2E, <Format>kCacheFormat), states = parts + <usize>quads * bytes;
      for (let i: u32 = 0; i < quads; i++) clearState(states + <usize>i * bytes, D);
      for (let j: u32 = 0; j < cells; j += CHUNK) {
        attend(parts, keys, values, positions + (<usize>t << 2), j, min(CHUNK, cells - j), R, group, D, <Format>kCacheFormat, <Format>vCacheFormat, scratch);
        for (let i: u32 = 0; i < quads; i++) merge(states + <usize>i * bytes, parts + <usize>i * bytes, D, scratch);
      }
      for (let r: u32 = 0; r < R; r++) finish(out + first + queryAt(r, group, H, D), states + <usize>(r >> 2) * bytes, r & 3, D);
      t += n;
    }
  }
}

/**
 * The same for few tokens over many cells, as far as the chunks' states: unit (c, t, g), a chunk c of one token's cells.
 * parts [N / CHUNK, T, G, quads of H / G] states.
 */
export function attention_parts(parts: usize, q: usize, kCache: usize, vCache: usize, rows: usize, positions: usize, T: u32, H: u32, G: u32, N: u32, D: u32, scale: f32, kCacheFormat: u32, vCacheFormat: u32, scratch: usize, begin: u32, end: u32): void {
  const group = H / G, quads = (group + 3) >> 2, bytes = <usize>quads * stateBytes(D);
  storeConstants(scratch, factorOf(<Format>vCacheFormat));
  for (let unit = begin; unit < end; unit++) {
    const g = unit % G, t = unit / G % T, j = unit / G / T * CHUNK, cells = cellsOf(positions, t);
    if (j >= cells) continue;
    const stripe = <usize>((load<u32>(rows + (<usize>t << 2)) * G + g) * N);
    const keys = kCache + stripe * rowBytes(<Format>kCacheFormat, D), values = vCache + stripe * rowBytes(<Format>vCacheFormat, D);
    packQueries(scratch, q + (<usize>(t * H + g * group) * <usize>D << 2), group, group, H, D, scale * LOG2E, <Format>kCacheFormat);
    attend(parts + <usize>unit * bytes, keys, values, positions + (<usize>t << 2), j, min(CHUNK, cells - j), group, group, D, <Format>kCacheFormat, <Format>vCacheFormat, scratch);
  }
}

/** Unit (t, g): out [T, H, D] ← the chunks' states in order. */
export function attention_merge(out: usize, parts: usize, positions: usize, T: u32, H: u32, G: u32, D: u32, scratch: usize, begin: u32, end: u32): void {
  const group = H / G, quads = (group + 3) >> 2, bytes = stateBytes(D), step = <usize>(T * G * quads) * bytes, state = scratch + CONSTANTS_BYTES;
  storeConstants(scratch, 1);
  for (let unit = begin; unit < end; unit++) {
    const cells = cellsOf(positions, unit / G);
    for (let i: u32 = 0; i < quads; i++) {
      clearState(state, D);
      let part = parts + <usize>(unit * quads + i) * bytes;
      for (let j: u32 = 0; j < cells; j += CHUNK, part += step) merge(state, part, D, scratch);
      for (let r = i << 2; r < min(group, (i + 1) << 2); r++) finish(out + (<usize>(unit * group + r) * <usize>D << 2), state, r & 3, D);
    }
  }
}

// @ts-ignore: decorator
@inline
function cellsOf(positions: usize, token: u32): u32 {
  return <u32>load<i32>(positions + (<usize>token << 2)) + 1;
}

/** Tokens from t on, up to `last`, that belong to the sequence of t. */
function tokensOfSequence(rows: usize, t: u32, last: u32): u32 {
  const row = load<u32>(rows + (<usize>t << 2));
  let to = t + 1;
  while (to < last && load<u32>(rows + (<usize>to << 2)) == row) to++;
  return to - t;
}

/** Query r of a kv head: `group` heads of a token, then the next token's. */
// @ts-ignore: decorator
@inline
function queryAt(r: u32, group: u32, H: u32, D: u32): usize {
  return <usize>(r / group * H + r % group) * <usize>D << 2;
}

// @ts-ignore: decorator
@inline
function queriesAt(scratch: usize, D: u32): usize {
  return scratch + CONSTANTS_BYTES + <usize>(D >> 2) * COLUMN;
}

/** R queries, times `factor`, by quads into the scratch, as keys of the format need them; returns where the states may begin. */
function packQueries(scratch: usize, q: usize, R: u32, group: u32, H: u32, D: u32, factor: f32, format: Format): usize {
  const quads = (R + 3) >> 2, last = R - 1;
  let to = queriesAt(scratch, D);
  for (let r: u32 = 0; r < R; r += 4, to += <usize>D << 4) {
    const b = queryAt(min(r + 1, last), group, H, D), c = queryAt(min(r + 2, last), group, H, D), d = queryAt(min(r + 3, last), group, H, D);
    packQueriesOf(format, quads, to, q + queryAt(r, group, H, D), q + b, q + c, q + d, D, factor);
  }
  return to + (<usize>(quads * CHUNK) << 4);
}

/** parts ← states of the packed queries over the n cells from j on. positions: of the first token. */
function attend(parts: usize, keys: usize, values: usize, positions: usize, j: u32, n: u32, R: u32, group: u32, D: u32, kFormat: Format, vFormat: Format, scratch: usize): void {
  const quads = (R + 3) >> 2, last = R - 1, queries = queriesAt(scratch, D), scores = queries + (<usize>(quads * D) << 4);
  scoreCells(scores, queries, keys + <usize>j * rowBytes(kFormat, D), n, quads, D, kFormat, scratch);
  for (let i: u32 = 0; i < quads; i++) {
    const r = i << 2, part = parts + <usize>i * stateBytes(D);
    const a = cellsOf(positions, r / group), b = cellsOf(positions, min(r + 1, last) / group);
    const c = cellsOf(positions, min(r + 2, last) / group), d = cellsOf(positions, min(r + 3, last) / group);
    softmax(scores + (<usize>(i * CHUNK) << 4), slotsOf(n), i32x4.sub(i32x4(a, b, c, d), i32x4.splat(j)), part, scratch);
    memory.fill(part + OUT_AT, 0, <usize>D << 4);
  }
  addCells(parts, scores, values + <usize>j * rowBytes(vFormat, D), n, quads, D, vFormat, scratch);
}
