import { wideOffset } from "../matmul/activation";
import { ROWS, combineNormal } from "../matmul/combine";
import { f16, mac } from "../simd";

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

/** out[rows] = w[rows, K] · x[K]. One row at a time: two at once collapse from DRAM (8 GB/s against 18). */
export function matvecQ8_0(w: usize, x: usize, out: usize, rows: u32, K: u32, scratch: usize): void {
  const blocks = K >> 5, rowBytes = <usize>blocks * 34, wide = x + wideOffset(K, 32), scales = scratch + (<usize>blocks << 6);
  for (let r: u32 = 0; r < rows; r += ROWS, out += 16) {
    const n = min(ROWS, rows - r);
    let sums = scratch;
    for (let i: u32 = 0; i < n; i++) {
      let q = wide, d = scales + (<usize>i << 2);
      for (const end = w + rowBytes; w < end; w += 34) {
        const u = v128.load(w, 2), v = v128.load(w, 18);
        const a = mac(i16x8.extend_high_i8x16_s(u), v128.load(q, 16), i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(u), v128.load(q)));
        const b = mac(i16x8.extend_high_i8x16_s(v), v128.load(q, 48), i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(v), v128.load(q, 32)));
        v128.store(sums, i32x4.add(a, b));
        store<u16>(d, load<u16>(w), 2);
        sums += 16; d += 16; q += 64;
      }
    }
    combineNormal(out, n, 4, scratch, scales, x, blocks);
  }
}
