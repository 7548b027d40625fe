import { indexOf, largestOf } from "../search";

/** Unit: one row o. logits [O, V]; ids [O]; next [T], written where o < T: where the largest stands first, 0 where all are NaN. */
export function argmax(ids: usize, logits: usize, next: usize, O: u32, V: u32, T: u32, begin: u32, end: u32): void {
  for (let o = begin; o < end; o++) {
    const row = logits + (<usize>(o * V) << 2), found = indexOf(largestOf(row, V), row, 0, V), best = found < V ? found : 0;
    store<u32>(ids + (<usize>o << 2), best);
    if (o < T) store<u32>(next + (<usize>o << 2), best);
  }
}
