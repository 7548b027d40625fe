import { fma4 } from "../simd";

/** Unit: one token t. x [T, U, E], weights [T, U], out [T, E]. */
export function experts_sum(out: usize, x: usize, weights: usize, T: u32, U: u32, E: u32, begin: u32, end: u32): void {
  const rowBytes = <usize>E << 2;
  const whole = rowBytes & ~15;
  for (let t = begin; t < end; t++) {
    const to = out + <usize>t * rowBytes;
    const from = x + <usize>(t * U) * rowBytes;
    const w = weights + (<usize>(t * U) << 2);
    let i: usize = 0;
    for (const lines = rowBytes & ~63; i < lines; i += 64) {
      let a = f32x4.splat(0), b = a, c = a, d = a; // four sums do not wait for each other
      for (let p = from + i, u: usize = 0; u < <usize>U; u++, p += rowBytes) {
        const weight = v128.load32_splat(w + (u << 2));
        a = fma4(v128.load(p), weight, a); b = fma4(v128.load(p, 16), weight, b);
        c = fma4(v128.load(p, 32), weight, c); d = fma4(v128.load(p, 48), weight, d);
      }
      v128.store(to + i, a); v128.store(to + i, b, 16);
      v128.store(to + i, c, 32); v128.store(to + i, d, 48);
    }
    for (; i < whole; i += 16) {
      let sum = f32x4.splat(0);
      for (let u: usize = 0; u < <usize>U; u++) sum = fma4(v128.load(from + u * rowBytes + i), v128.load32_splat(w + (u << 2)), sum);
      v128.store(to + i, sum);
    }
    for (; i < rowBytes; i += 4) {
      let sum: f32 = 0;
      for (let u: usize = 0; u < <usize>U; u++) sum += load<f32>(from + u * rowBytes + i) * load<f32>(w + (u << 2));
      store<f32>(to + i, sum);
    }
  }
}
