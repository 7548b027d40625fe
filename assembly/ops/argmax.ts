import { largestOf } from "../math";

/** Unit: one row o. logits [O, V]; ids [O]; next [T], written where o < T: the first index of the largest, 0 where all are NaN or -Infinity. */
export function argmax(ids: usize, logits: usize, next: usize, O: u32, V: u32, T: u32, begin: u32, end: u32): void {
  for (let o = begin; o < end; o++) {
    const row = logits + (<usize>(o * V) << 2), best = firstOf(row, V, largestOf(row, V));
    store<u32>(ids + (<usize>o << 2), best);
    if (o < T) store<u32>(next + (<usize>o << 2), best);
  }
}

/** The first index of a value, 0 for -Infinity. */
function firstOf(row: usize, V: u32, value: f32): u32 {
  if (value == -Infinity) return 0;
  const wanted = f32x4.splat(value);
  let v: u32 = 0;
  for (; v + 16 <= V; v += 16) {
    const p = row + (<usize>v << 2), ab = v128.or(f32x4.eq(v128.load(p), wanted), f32x4.eq(v128.load(p, 16), wanted));
    if (v128.any_true(v128.or(ab, v128.or(f32x4.eq(v128.load(p, 32), wanted), f32x4.eq(v128.load(p, 48), wanted))))) break;
  }
  while (load<f32>(row + (<usize>v << 2)) != value) v++;
  return v;
}
