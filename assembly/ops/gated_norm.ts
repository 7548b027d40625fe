import { mulSilu } from "../gates";
import { sumOfSquares } from "../math";

/** Unit: one head (row t). x, gate, out [T, D], weight [D]. */
export function gated_norm(out: usize, x: usize, gate: usize, weight: usize, T: u32, D: u32, eps: f32, begin: u32, end: u32): void {
  const rowBytes = <usize>D << 2;
  const whole = rowBytes & ~15;
  for (let t = begin; t < end; t++) {
    const from = x + <usize>t * rowBytes;
    const z = gate + <usize>t * rowBytes;
    const to = out + <usize>t * rowBytes;
    const scale: f32 = 1.0 / sqrt<f32>(sumOfSquares(from, D) / <f32>D + eps);
    const scales = f32x4.splat(scale);
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(to + i, f32x4.mul(f32x4.mul(v128.load(from + i), scales), v128.load(weight + i)));
    }
    for (let i = whole; i < rowBytes; i += 4) store<f32>(to + i, load<f32>(from + i) * scale * load<f32>(weight + i));
    mulSilu(to, to, z, rowBytes);
  }
}
