import { fma4 } from "../simd";

/** Unit: one token t. x [T, U, E], weights [T, U], out [T, E]. */
export function experts_sum(out: usize, x: usize, weights: usize, T: u32, U: u32, E: u32, begin: u32, end: u32): void {
  const rowBytes = <usize>E << 2;
  const whole = rowBytes & ~15;
  for (let t = begin; t < end; t++) {
    const to = out + <usize>t * rowBytes;
    const from = x + <usize>(t * U) * rowBytes;
    const w = weights + (<usize>(t * U) << 2);
    for (let i: usize = 0; i < whole; i += 16) {
      let sum = f32x4.splat(0);
      for (let u: usize = 0; u < <usize>U; u++) sum = fma4(v128.load(from + u * rowBytes + i), v128.load32_splat(w + (u << 2)), sum);
      v128.store(to + i, sum);
    }
    for (let i = whole; i < rowBytes; i += 4) {
      let sum: f32 = 0;
      for (let u: usize = 0; u < <usize>U; u++) sum += load<f32>(from + u * rowBytes + i) * load<f32>(w + (u << 2));
      store<f32>(to + i, sum);
    }
  }
}
