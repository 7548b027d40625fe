import { wideOffset } from "../matmul/activation";
import { f16, f16Likely, fma4, mac, total } from "../simd";

// f16 d, 32 int8: w = d · q. 34 bytes.

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ8_0(p: usize, q: usize, m: usize, d: usize, dm: usize): void {
  v128.store(q, v128.load8x8_s(p, 2));
  v128.store(q, v128.load8x8_s(p, 10), 16);
  v128.store(q, v128.load8x8_s(p, 18), 32);
  v128.store(q, v128.load8x8_s(p, 26), 48);
  store<f32>(d, f16(p));
}

/**
 * out[rows] = w[rows, K] · x[K]. One row at a time: two at once collapse from DRAM (8 GB/s against 18), and the relaxed int8 form
 * needs the sign tricks of |x| and loses to i16 (12 against 18). Four blocks to a float step, their sums transposed into lanes, gains
 * on V8 15 (Deno: 7.3 to 10.7 GB/s) and loses on Node 20's V8 11 (10.8 to 9.4): a form for the relaxed build alone, once its tile adds
 * block b to sum b mod 4 as well.
 */
export function matvecQ8_0(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const rowBytes = <usize>(K >> 5) * 34, wide = x + wideOffset(K, 32);
  for (const last = out + (<usize>rows << 2); out < last; out += 4) {
    let scale = x, q = wide, acc = f32x4.splat(0);
    for (const end = w + rowBytes; w < end; w += 34) {
      const a = mac(v128.load8x8_s(w, 10), v128.load(q, 16), i32x4.dot_i16x8_s(v128.load8x8_s(w, 2), v128.load(q)));
      const b = mac(v128.load8x8_s(w, 26), v128.load(q, 48), i32x4.dot_i16x8_s(v128.load8x8_s(w, 18), v128.load(q, 32)));
      acc = fma4(f32x4.convert_i32x4_s(total(i32x4.add(a, b))), f32x4.splat(f16Likely(w) * load<f32>(scale)), acc);
      scale += 4; q += 64;
    }
    store<f32>(out, f32x4.extract_lane(acc, 0));
  }
}
