import { fma4 } from "../simd";
import { silu4 } from "../math";

/**
 * Unit: 16 channels, one cache line of a token. K = 4 taps. x, out [T, C]; weight [K, C]; state [S, K - 1, C]; rows [T].
 * The window slides in registers and touches the state only where the sequence changes: one sequence reads it once and writes it once.
 * C is a multiple of 4.
 */
export function conv1d(out: usize, x: usize, weight: usize, state: usize, rows: usize, T: u32, C: u32, begin: u32, end: u32): void {
  const tokenBytes = <usize>C << 2;
  const stop = min<usize>(<usize>end << 6, tokenBytes);
  for (let c = <usize>begin << 6; c < stop; c += 16) {
    const w0 = v128.load(weight + c);
    const w1 = v128.load(weight + tokenBytes + c);
    const w2 = v128.load(weight + 2 * tokenBytes + c);
    const w3 = v128.load(weight + 3 * tokenBytes + c);
    let row = -1;
    let cell: usize = 0;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    for (let t: u32 = 0; t < T; t++) {
      const next = load<i32>(rows + (<usize>t << 2));
      if (next != row) {
        if (row >= 0) storeWindow(cell, tokenBytes, s0, s1, s2);
        row = next;
        cell = state + <usize>row * 3 * tokenBytes + c;
        s0 = v128.load(cell);
        s1 = v128.load(cell + tokenBytes);
        s2 = v128.load(cell + 2 * tokenBytes);
      }
      const at = <usize>t * tokenBytes + c;
      const v = v128.load(x + at);
      const sum = fma4(w0, s0, fma4(w1, s1, fma4(w2, s2, f32x4.mul(w3, v))));
      v128.store(out + at, silu4(sum));
      s0 = s1;
      s1 = s2;
      s2 = v;
    }
    if (row >= 0) storeWindow(cell, tokenBytes, s0, s1, s2);
  }
}

@inline
function storeWindow(cell: usize, tokenBytes: usize, s0: v128, s1: v128, s2: v128): void {
  v128.store(cell, s0);
  v128.store(cell + tokenBytes, s1);
  v128.store(cell + 2 * tokenBytes, s2);
}
