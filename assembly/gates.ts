// x · silu(z) and x · sigmoid(z) over runs of floats. `out` may be x or z.

import { constant, expNeg4 } from "./math";

/** out = z / (1 + e^-z), `bytes` of floats. */
export function silu(out: usize, z: usize, bytes: usize): void {
  gate(out, 0, z, bytes, true, false);
}

/** out = x z / (1 + e^-z) */
export function mulSilu(out: usize, x: usize, z: usize, bytes: usize): void {
  gate(out, x, z, bytes, true, true);
}

/** out = x / (1 + e^-z) */
export function mulSigmoid(out: usize, x: usize, z: usize, bytes: usize): void {
  gate(out, x, z, bytes, false, true);
}

// @ts-ignore: decorator
@inline
function gate(out: usize, x: usize, z: usize, bytes: usize, byZ: bool, byX: bool): void {
  const a = constant(0), b = constant(1), c = constant(2), d = constant(3), e = constant(4), f = constant(5);
  const g = constant(6), h = constant(7), i = constant(8), j = constant(9), k = constant(10), l = constant(11), one = constant(12);
  const end = z + bytes, whole = z + (bytes & ~15);
  for (; z < whole; z += 16, x += 16, out += 16) {
    const v = v128.load(z), power = expNeg4(v, a, b, c, d, e, f, g, h, i, j, k, l, one);
    const s = f32x4.div(byZ ? v : one, f32x4.add(one, power));
    v128.store(out, byX ? f32x4.mul(v128.load(x), s) : s);
  }
  for (; z < end; z += 4, x += 4, out += 4) {
    const v = v128.load32_splat(z), power = expNeg4(v, a, b, c, d, e, f, g, h, i, j, k, l, one);
    const s = f32x4.div(byZ ? v : one, f32x4.add(one, power));
    v128.store32_lane(out, byX ? f32x4.mul(v128.load32_splat(x), s) : s, 0);
  }
}
