import { mulSigmoid } from "../gates";
import { sigmoid1 } from "../math";

/** Unit: one row t. x, out [T, F], gate [T, M] with M = 1 (a whole row) or M = F (each element). */
export function sigmoid_mul(out: usize, x: usize, gate: usize, T: u32, F: u32, M: u32, begin: u32, end: u32): void {
  const rowBytes = <usize>F << 2;
  const whole = rowBytes & ~15;
  for (let t = begin; t < end; t++) {
    const from = x + <usize>t * rowBytes;
    const to = out + <usize>t * rowBytes;
    if (M == 1) {
      const scale = sigmoid1(load<f32>(gate + (<usize>t << 2)));
      const scales = f32x4.splat(scale);
      for (let i: usize = 0; i < whole; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), scales));
      for (let i = whole; i < rowBytes; i += 4) store<f32>(to + i, load<f32>(from + i) * scale);
    } else {
      mulSigmoid(to, from, gate + <usize>t * rowBytes, rowBytes);
    }
  }
}
