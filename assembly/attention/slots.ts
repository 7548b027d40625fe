/**
 * Cells are taken by sixteens, in the order 0 8 1 9 … 7 15, in prefill too: decoding then reads two rows at once that lie in different pages
 * of memory (8 rows of 256 halves fill one). A core's prefetcher starts anew at each page and now has two to follow: the scores over 32k cells
 * took 7.4 ms one row after the other, 5.2 ms from two pages.
 */
// @ts-ignore: decorator
@inline
export const SLOTS: u32 = 16;

/** Slots that n cells take: whole sixteens. */
// @ts-ignore: decorator
@inline
export function slotsOf(n: u32): u32 {
  return (n + SLOTS - 1) & ~(SLOTS - 1);
}

/** The cell in a slot, the last one in place of those from n on. */
// @ts-ignore: decorator
@inline
export function cellOf(slot: u32, n: u32): u32 {
  return min((slot & ~(SLOTS - 1)) + ((slot & 1) << 3) + ((slot & (SLOTS - 1)) >> 1), n - 1);
}

/** The slot of a cell. */
// @ts-ignore: decorator
@inline
export function slotOf(cell: u32): u32 {
  return (cell & ~(SLOTS - 1)) + ((cell & 7) << 1) + ((cell >> 3) & 1);
}

/** `count` cells of n from s on: where they are, or in the scratch, where zeros follow the last of n. */
export function cellsAt(cells: usize, s: u32, n: u32, count: u32, row: usize, scratch: usize): usize {
  const from = cells + <usize>s * row;
  if (s + count <= n) return from;
  const rest = s < n ? n - s : 0;
  memory.copy(scratch, from, <usize>rest * row);
  memory.fill(scratch + <usize>rest * row, 0, <usize>(count - rest) * row);
  return scratch;
}

/** Reads of each line of 272 bytes, so that they are there when their turn comes; the caller keeps the result, or the reads are dropped. */
// @ts-ignore: decorator
@inline
export function touch(at: usize): u32 {
  return load<u32>(at) | load<u32>(at, 64) | load<u32>(at, 128) | load<u32>(at, 192) | load<u32>(at, 256);
}
