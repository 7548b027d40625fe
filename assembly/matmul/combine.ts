// The second half of a matvec. The first runs over one row after the other and leaves a block's integer sum as four i32 lanes: a small loop
// that streams. Here four rows meet, a lane each, so that scales and float steps are done once for four blocks instead of for each (2048x2048
// on an Intel Xeon: Q8_0 10.7 -> 12.4 GB/s, Q4_K 5.4 -> 6.1, relaxed 9.1 -> 11.5). A row's float steps are the tile's, one by one.
// From DRAM it is another matter: 5.9 GB/s there, whatever the kernel. Reading a byte of every line a KiB ahead did not help.

import { f16Bits, f16Rebias, f16x4, fma4, normalF16x4, opaque } from "../simd";

// @ts-ignore: decorator
@inline
export const ROWS: u32 = 4;

/** The i32 sums of four vectors, a lane each. */
// @ts-ignore: decorator
@inline
export function totals(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/**
 * out[n] = Σ_b sum[row][b] · d[b][row] · scale[b] for n <= 4 rows of `blocks` blocks. sums: i32x4[4][blocks]; d: [blocks][4] f16, each in
 * the high half of 32 bits.
 */
export function combine(out: usize, n: u32, sums: usize, d: usize, scale: usize, blocks: u32): void {
  const row = <usize>blocks << 4, bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  let acc = f32x4.splat(0);
  for (const end = sums + row; sums < end; sums += 16, d += 16, scale += 4) {
    const s = totals(v128.load(sums), v128.load(sums + row), v128.load(sums + 2 * row), v128.load(sums + 3 * row));
    acc = fma4(f32x4.convert_i32x4_s(s), f32x4.mul(f16x4(v128.load(d), bits, rebias), v128.load32_splat(scale)), acc);
  }
  storeRows(out, n, acc);
}

/** The same for formats whose d is seldom zero or subnormal: three steps instead of ten to convert it, and again by `combine` if one was. */
export function combineNormal(out: usize, n: u32, sums: usize, d: usize, scale: usize, blocks: u32): void {
  const row = <usize>blocks << 4, bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks), exponent = opaque(i32x4.splat(0x7c000000), blocks);
  const z = i32x4.splat(0);
  let acc = f32x4.splat(0), odd = z, from = sums, at = d, by = scale;
  for (const end = sums + row; from < end; from += 16, at += 16, by += 4) {
    const s = totals(v128.load(from), v128.load(from + row), v128.load(from + 2 * row), v128.load(from + 3 * row)), h = v128.load(at);
    odd = v128.or(odd, i32x4.eq(v128.and(h, exponent), z));
    acc = fma4(f32x4.convert_i32x4_s(s), f32x4.mul(normalF16x4(h, bits, rebias), v128.load32_splat(by)), acc);
  }
  if (v128.any_true(odd)) combine(out, n, sums, d, scale, blocks);
  else storeRows(out, n, acc);
}

/**
 * The same for formats with mins: out[n] = Σ_b (sum[row][b] · d[b][row] - minSum[row][b] · dmin[b][row]) · scale[b].
 * sums: pairs of i32x4, minSum then sum; d: [blocks][4] pairs of f16, d then dmin.
 */
export function combineMins(out: usize, n: u32, sums: usize, d: usize, scale: usize, blocks: u32): void {
  const row = <usize>blocks << 5, bits = opaque(f16Bits(), blocks), rebias = opaque(f16Rebias(), blocks);
  let acc = f32x4.splat(0);
  for (const end = sums + row; sums < end; sums += 32, d += 16, scale += 4) {
    const halves = v128.load(d), dx = v128.load32_splat(scale);
    const m = totals(v128.load(sums), v128.load(sums + row), v128.load(sums + 2 * row), v128.load(sums + 3 * row));
    acc = fma4(f32x4.convert_i32x4_s(m), f32x4.mul(f32x4.neg(f16x4(halves, bits, rebias)), dx), acc);
    const s = totals(v128.load(sums, 16), v128.load(sums + row, 16), v128.load(sums + 2 * row, 16), v128.load(sums + 3 * row, 16));
    acc = fma4(f32x4.convert_i32x4_s(s), f32x4.mul(f16x4(i32x4.shl(halves, 16), bits, rebias), dx), acc);
  }
  storeRows(out, n, acc);
}

// @ts-ignore: decorator
@inline
export function storeRows(out: usize, n: u32, acc: v128): void {
  if (n == 4) v128.store(out, acc);
  else {
    store<f32>(out, f32x4.extract_lane(acc, 0));
    if (n > 1) store<f32>(out, f32x4.extract_lane(acc, 1), 4);
    if (n > 2) store<f32>(out, f32x4.extract_lane(acc, 2), 8);
  }
}
