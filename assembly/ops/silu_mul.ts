import { mulSilu } from "../gates";

/** Unit: one row t. gate, up, out [T, F]. */
export function silu_mul(out: usize, gate: usize, up: usize, T: u32, F: u32, begin: u32, end: u32): void {
  const from = <usize>(begin * F) << 2;
  mulSilu(out + from, up + from, gate + from, (<usize>(end * F) << 2) - from);
}
