// Which of the ways cells of a cache take: tile.ts for floats; for q8_0 keys_dots.ts and values_dots.ts where the machine has dot-adds, else
// keys_q8_0.ts and values_q8_0.ts, to the same bits.

import { Format, factorOf, rowBytes, widenRow } from "../cache";
import { dotBytes } from "../dots";
import { CONSTANTS_BYTES } from "./constants";
import { scoreDots } from "./keys_dots";
import { scoreGroups, scoreRows } from "./keys_q8_0";
import { CHUNK, OUT_AT, packQuad, stateBytes } from "./quad";
import { Layout, roundQuad } from "./queries_q8_0";
import { cellOf, slotsOf } from "./slots";
import { BLOCK, COLUMN, addHalves, addValues, scoreHalves, scoreQuad } from "./tile";
import { addDots } from "./values_dots";
import { addGroups, addRows } from "./values_q8_0";

/** Most quads that read cells as they are: widening or weaving them in memory first pays from three on. */
const ROWS_QUADS: u32 = 2;

/** One of so many quads of queries, times `factor`, as keys of the format need it. */
// @ts-ignore: decorator
@inline
export function packQueriesOf(format: Format, quads: u32, to: usize, a: usize, b: usize, c: usize, d: usize, D: u32, factor: f32): void {
  if (format == Format.Q8_0) roundQuad(to, a, b, c, d, D, factor, dotBytes(D) ? Layout.Bytes : quads > ROWS_QUADS ? Layout.Woven : Layout.Rows);
  else packQuad(to, a, b, c, d, D, factor * factorOf(format));
}

/** scores [quads][CHUNK][4] = queries · keys [n][D] */
export function scoreCells(scores: usize, queries: usize, keys: usize, n: u32, quads: u32, D: u32, format: Format, scratch: usize): void {
  const slots = slotsOf(n), row = rowBytes(format, D), block = scratch + CONSTANTS_BYTES, pairBytes = <usize>D << 3;
  if (format == Format.Q8_0) {
    if (dotBytes(D)) return scoreDots(scores, queries, keys, n, slots, quads, D, block);
    if (quads > ROWS_QUADS) return scoreGroups(scores, queries, keys, n, quads, D, block);
    for (let i: u32 = 0; i < quads; i++) scoreRows(scores + (<usize>(i * CHUNK) << 4), queries + (<usize>(i * D) << 4), keys, n, slots, D);
    return;
  }
  if (quads <= ROWS_QUADS && format == Format.F16) {
    for (let i: u32 = 0; i < quads; i++) scoreHalves(scores + (<usize>(i * CHUNK) << 4), queries + (<usize>(i * D) << 4), keys, n, slots, D, scratch);
    return;
  }
  for (let s: u32 = 0; s < slots; s += BLOCK) {
    const some = min(BLOCK, slots - s);
    for (let i: u32 = 0; i < some; i++) widenRow(format, block + <usize>(i >> 1) * pairBytes + (<usize>(i & 1) << 4), 32, keys + <usize>cellOf(s + i, n) * row, D);
    for (let i: u32 = 0; i < quads; i++) scoreQuad(scores + (<usize>(i * CHUNK + s) << 4), queries + (<usize>(i * D) << 4), block, some, D);
  }
}

/** parts: states [quads] += scores [quads][CHUNK][4] · values [n][D] */
export function addCells(parts: usize, scores: usize, values: usize, n: u32, quads: u32, D: u32, format: Format, scratch: usize): void {
  const slots = slotsOf(n), row = rowBytes(format, D), block = scratch + CONSTANTS_BYTES;
  if (format == Format.Q8_0) {
    if (dotBytes(D)) addDots(parts, scores, values, n, quads, D, block);
    else if (quads > ROWS_QUADS) addGroups(parts, scores, values, n, quads, D, block);
    else addRows(parts, scores, values, n, quads, D, block);
    return;
  }
  if (quads <= ROWS_QUADS && format == Format.F16) {
    for (let i: u32 = 0; i < quads; i++) addHalves(parts + <usize>i * stateBytes(D) + OUT_AT, scores + (<usize>(i * CHUNK) << 4), values, n, slots, D, scratch);
    return;
  }
  for (let s: u32 = 0; s < slots; s += BLOCK) {
    const some = min(BLOCK, slots - s);
    for (let i: u32 = 0; i < some; i++) widenRow(format, block + (<usize>i << 4), COLUMN, values + <usize>cellOf(s + i, n) * row, D);
    for (let i: u32 = 0; i < quads; i++) addValues(parts + <usize>i * stateBytes(D) + OUT_AT, scores + (<usize>(i * CHUNK + s) << 4), block, some, D);
  }
}
