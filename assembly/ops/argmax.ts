/** Unit: one row o. logits [O, V]; ids [O]; next [T], written where o < T. Eight lanes hold the best of their own columns. */
export function argmax(ids: usize, logits: usize, next: usize, O: u32, V: u32, T: u32, begin: u32, end: u32): void {
  for (let o = begin; o < end; o++) {
    const row = logits + (<usize>(o * V) << 2);
    const best = bestOf(row, V);
    store<u32>(ids + (<usize>o << 2), best);
    if (o < T) store<u32>(next + (<usize>o << 2), best);
  }
}

/** First index of the largest value; NaN compares false and so never wins, unless all is NaN: then 0. */
function bestOf(row: usize, V: u32): u32 {
  let top = f32x4.splat(-Infinity);
  let at = i32x4.splat(-1);
  let index = i32x4(0, 1, 2, 3);
  const whole = V & ~3;
  for (let v: u32 = 0; v < whole; v += 4) {
    const value = v128.load(row + (<usize>v << 2));
    const above = f32x4.gt(value, top);
    top = v128.bitselect(value, top, above);
    at = v128.bitselect(index, at, above);
    index = i32x4.add(index, i32x4.splat(4));
  }
  let best: f32 = -Infinity;
  let found: u32 = u32.MAX_VALUE; // of a lane that nothing entered, -1: later than any index
  for (let lane: u32 = 0; lane < 4; lane++) {
    const value = lane == 0 ? f32x4.extract_lane(top, 0) : lane == 1 ? f32x4.extract_lane(top, 1) : lane == 2 ? f32x4.extract_lane(top, 2) : f32x4.extract_lane(top, 3);
    const i = <u32>(lane == 0 ? i32x4.extract_lane(at, 0) : lane == 1 ? i32x4.extract_lane(at, 1) : lane == 2 ? i32x4.extract_lane(at, 2) : i32x4.extract_lane(at, 3));
    if (i != u32.MAX_VALUE && (value > best || (value == best && i < found))) {
      best = value;
      found = i;
    }
  }
  for (let v = whole; v < V; v++) {
    const value = load<f32>(row + (<usize>v << 2));
    if (value > best) {
      best = value;
      found = v;
    }
  }
  return found == u32.MAX_VALUE ? 0 : found;
}
