import { exp1 } from "../math";
import { indexOf, largestBelow, largestOf } from "../search";

/** Unit: one token t. logits [T, X]; ids, weights [T, U]: U times the largest that is left, the lower index first among equals. */
export function router(ids: usize, weights: usize, logits: usize, T: u32, X: u32, U: u32, begin: u32, end: u32): void {
  for (let t = begin; t < end; t++) {
    const row = logits + (<usize>(t * X) << 2);
    const id = ids + (<usize>(t * U) << 2);
    const weight = weights + (<usize>(t * U) << 2);
    const top = largestOf(row, X);
    let value = top, index = indexOf(value, row, 0, X), sum: f32 = 0;
    for (let u: usize = 0; u < <usize>U; u++) {
      const e = exp1(value - top);
      sum += e;
      store<u32>(id + (u << 2), index < X ? index : 0); // X: all that is left is NaN
      store<f32>(weight + (u << 2), e);
      index = indexOf(value, row, index + 1, X);
      if (index < X) continue;
      value = largestBelow(value, row, X);
      index = indexOf(value, row, 0, X);
    }
    const scale: f32 = 1.0 / sum;
    for (let u: usize = 0; u < <usize>U; u++) store<f32>(weight + (u << 2), load<f32>(weight + (u << 2)) * scale);
  }
}
