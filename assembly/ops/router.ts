import { exp1 } from "../math";

/** Unit: one token t. logits [T, X]; ids, weights [T, U]: U times the largest that is left, the lower index first among equals. */
export function router(ids: usize, weights: usize, logits: usize, T: u32, X: u32, U: u32, begin: u32, end: u32): void {
  for (let t = begin; t < end; t++) {
    const row = logits + (<usize>(t * X) << 2);
    const id = ids + (<usize>(t * U) << 2);
    const weight = weights + (<usize>(t * U) << 2);
    let top: f32 = 0;
    let sum: f32 = 0;
    let previous: f32 = Infinity;
    let previousIndex: u32 = 0;
    for (let u: usize = 0; u < <usize>U; u++) {
      // the largest after (previous, previousIndex) in the order: value falling, index rising
      let best: f32 = -Infinity;
      let index: u32 = 0;
      for (let i: u32 = 0; i < X; i++) {
        const v = load<f32>(row + (<usize>i << 2));
        if (v > best && (v < previous || (v == previous && i > previousIndex))) {
          best = v;
          index = i;
        }
      }
      if (u == 0) top = best;
      previous = best;
      previousIndex = index;
      const e = exp1(best - top);
      sum += e;
      store<i32>(id + (u << 2), index);
      store<f32>(weight + (u << 2), e);
    }
    const scale: f32 = 1.0 / sum;
    for (let u: usize = 0; u < <usize>U; u++) store<f32>(weight + (u << 2), load<f32>(weight + (u << 2)) * scale);
  }
}
