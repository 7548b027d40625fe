import { silu1, silu4 } from "../math";

/** Unit: one row t. gate, up, out [T, F]. */
export function silu_mul(out: usize, gate: usize, up: usize, T: u32, F: u32, begin: u32, end: u32): void {
  const from = <usize>(begin * F) << 2;
  const to = <usize>(end * F) << 2;
  const whole = from + ((to - from) & ~15);
  for (let i = from; i < whole; i += 16) v128.store(out + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
  for (let i = whole; i < to; i += 4) store<f32>(out + i, silu1(load<f32>(gate + i)) * load<f32>(up + i));
}
