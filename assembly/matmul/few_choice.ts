// Which of its two ways few_cells.ts takes, found out on the work itself as in tile_choice.ts: of some calls each way does half of the rows.

/** Calls that a duel takes, and from the beginning of one to that of the next: trying costs less than 1 %. */
const DUEL: u32 = 32;
const PERIOD: u32 = 2048;
/** Fewest products of a call in a duel: its halves take some 5 µs. */
const DUEL_PRODUCTS: u64 = 1 << 19;

let champion = false;
let dots = false;
let call: u32 = 0;
/** Milliseconds that the challenger is ahead. */
let lead: f64 = 0;
let held = false;

/** Whether products are added by fours. */
export function byDots(): bool {
  return dots;
}

/** Counts a call. Whether it is part of a duel: between beginDuel() and settle(), then, swapDots() in the middle. */
export function isDuel(rows: u32, tokens: u32, K: u32): bool {
  if (held || <u64>rows * <u64>tokens * <u64>K < DUEL_PRODUCTS || (rows & 1) != 0) return false;
  call = (call + 1) % PERIOD;
  return call < DUEL;
}

/** They take turns at the first half. */
export function beginDuel(): void {
  dots = champion != ((call & 1) != 0);
}

export function swapDots(): void {
  dots = !dots;
}

/** Milliseconds that the halves took. */
export function settle(first: f64, second: f64): void {
  lead += call & 1 ? second - first : first - second;
  if (call == DUEL - 1) {
    if (lead > 0) champion = !champion;
    lead = 0;
  }
  dots = champion;
}

/** This way from now on, for tests. */
export function holdDots(to: bool): void {
  dots = to;
  held = true;
}
