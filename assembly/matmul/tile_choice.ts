// Which of the tiles of tile_codes.ts runs. WebAssembly cannot ask for the CPU, and no list would say what an engine makes of it; but all
// tiles give the same bits, so they may be tried on the work itself. From time to time another tile, the challenger, does half of the tokens
// of some panels, and takes over if it was the faster. Once would not do: engines compile a function for speed when it has run for a while,
// each at a time of its own. Every thread finds out by itself; the best is found within 100 ms, and trying costs less than 1 %.

import { TILES } from "./tile_codes";

/** Panels a duel takes, and from the beginning of one to that of the next: half of 8 in 512 go to a tile that may be no good. */
const DUEL: u32 = 8;
const PERIOD: u32 = 512;
/** Fewest quads of a panel in a duel: halves of it take some 10 µs, and clocks of browsers tick every 5. */
const DUEL_QUADS: u32 = 16;

let champion: u32 = 0;
let challenger: u32 = 1;
let panel: u32 = 0;
/** Milliseconds that the challenger is ahead. */
let lead: f64 = 0;
let held = false;

/** The tile for now. */
export function chosenTile(): u32 {
  return champion;
}

/** Counts a panel of so many quads. Whether it is part of a duel: then the two halves of its quads belong to firstTile() and secondTile(). */
export function isDuel(quads: u32): bool {
  if (held || quads < DUEL_QUADS) return false;
  panel = (panel + 1) % PERIOD;
  return panel < DUEL;
}

// They take turns at the first half: it finds the panel in the L1 cache just the same, but may be a quad shorter.

export function firstTile(): u32 {
  return panel & 1 ? challenger : champion;
}

export function secondTile(): u32 {
  return panel & 1 ? champion : challenger;
}

/** Milliseconds that the halves took. */
export function settle(first: f64, second: f64): void {
  lead += panel & 1 ? second - first : first - second;
  if (panel < DUEL - 1) return;
  if (lead > 0) champion = challenger;
  do challenger = (challenger + 1) % TILES; while (challenger == champion);
  lead = 0;
}

/** This tile from now on, for tests: 0 .. TILES - 1. */
export function holdTile(tile: u32): void {
  champion = tile;
  held = true;
}
