// The second half of a matvec. The first runs over one row after the other and leaves a block's integer sum as four i32 lanes: a small loop
// that streams. Here four rows meet, a lane each, so that scales and float steps are done once for four blocks instead of for each (Q4_K,
// 2048x2048, relaxed SIMD on an Intel Xeon: 9.1 -> 11.5 GB/s). A row's float steps are the tile's, one by one. (With blocks of 32 a row has
// fours enough of its own: formats/q8_0.ts.)

import { f16Bits, f16Rebias, f16x4, fma4, opaque, totals } from "../simd";

// @ts-ignore: decorator
@inline
export const ROWS: u32 = 4;

/**
 * out = Σ_b sum[row][b] · d[b][row] · scale[b] for n <= 4 rows of `blocks` blocks, `apart` bytes from one result to the next.
 * sums: i32x4[4][blocks]; d: [blocks][4] f16, each in the high half of 32 bits.
 */
export function combine(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
  const row = <usize>blocks << 4, bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  let acc = f32x4.splat(0);
  for (const end = sums + row; sums < end; sums += 16, d += 16, scale += 4) {
    const s = totals(v128.load(sums), v128.load(sums + row), v128.load(sums + 2 * row), v128.load(sums + 3 * row));
    acc = fma4(f32x4.convert_i32x4_s(s), f32x4.mul(f16x4(v128.load(d), bits, rebias), v128.load32_splat(scale)), acc);
  }
  storeRows(out, n, apart, acc);
}

/**
 * The same for formats with mins: out = Σ_b (sum[row][b] · d[b][row] - minSum[row][b] · dmin[b][row]) · scale[b].
 * sums: pairs of i32x4, minSum then sum; d: [blocks][4] pairs of f16, d then dmin.
 */
export function combineMins(out: usize, n: u32, apart: usize, sums: usize, d: usize, scale: usize, blocks: u32): void {
  const row = <usize>blocks << 5, bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  let acc = f32x4.splat(0);
  for (const end = sums + row; sums < end; sums += 32, d += 16, scale += 4) {
    const halves = v128.load(d), dx = v128.load32_splat(scale);
    const m = totals(v128.load(sums), v128.load(sums + row), v128.load(sums + 2 * row), v128.load(sums + 3 * row));
    acc = fma4(f32x4.convert_i32x4_s(m), f32x4.mul(f32x4.neg(f16x4(halves, bits, rebias)), dx), acc);
    const s = totals(v128.load(sums, 16), v128.load(sums + row, 16), v128.load(sums + 2 * row, 16), v128.load(sums + 3 * row, 16));
    acc = fma4(f32x4.convert_i32x4_s(s), f32x4.mul(f16x4(i32x4.shl(halves, 16), bits, rebias), dx), acc);
  }
  storeRows(out, n, apart, acc);
}

// @ts-ignore: decorator
@inline
export function storeRows(out: usize, n: u32, apart: usize, acc: v128): void {
  store<f32>(out, f32x4.extract_lane(acc, 0));
  if (n > 1) store<f32>(out + apart, f32x4.extract_lane(acc, 1));
  if (n > 2) store<f32>(out + 2 * apart, f32x4.extract_lane(acc, 2));
  if (n > 3) store<f32>(out + 3 * apart, f32x4.extract_lane(acc, 3));
}
