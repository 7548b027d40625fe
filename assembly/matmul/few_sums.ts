// What tokens do with a cell's sums, in few_cells.ts and few_words.ts alike: the products of the mins, and the float steps.

import { fma4, mac } from "../simd";

/** Four rows' sums of a token += products · d · dx: a float step of gemm.ts. */
// @ts-ignore: decorator
@inline
function flush(sums: usize, products: v128, d: v128, dx: usize): void {
  v128.store(sums, fma4(f32x4.convert_i32x4_s(products), f32x4.mul(d, v128.load32_splat(dx)), v128.load(sums)));
}

/** The same of `n` tokens, 1 to 4, whose scales are `dx` bytes behind their beginnings t0 .. t3. */
// @ts-ignore: decorator
@inline
export function flushAll(n: u32, sums: usize, s0: v128, s1: v128, s2: v128, s3: v128, d: v128, dx: usize, t0: usize, t1: usize, t2: usize, t3: usize): void {
  flush(sums, s0, d, t0 + dx);
  if (n > 1) flush(sums + 16, s1, d, t1 + dx);
  if (n > 2) flush(sums + 32, s2, d, t2 + dx);
  if (n > 3) flush(sums + 48, s3, d, t3 + dx);
}

/** The mins m of four rows, times dmin, of `n` tokens, whose sums of 32 are `sum32` bytes behind their beginnings. */
// @ts-ignore: decorator
@inline
export function flushMins(n: u32, sums: usize, m: usize, dmin: v128, sum32: usize, dx: usize, t0: usize, t1: usize, t2: usize, t3: usize): void {
  flush(sums, minSums(m, t0 + sum32), dmin, t0 + dx);
  if (n > 1) flush(sums + 16, minSums(m, t1 + sum32), dmin, t1 + dx);
  if (n > 2) flush(sums + 32, minSums(m, t2 + sum32), dmin, t2 + dx);
  if (n > 3) flush(sums + 48, minSums(m, t3 + sum32), dmin, t3 + dx);
}

/** The products of four rows' mins, i16[4][4][2], with a token's sums of 32. */
// @ts-ignore: decorator
@inline
function minSums(m: usize, sum32: usize): v128 {
  const a = mac(v128.load(m, 16), v128.load32_splat(sum32, 4), i32x4.dot_i16x8_s(v128.load(m), v128.load32_splat(sum32)));
  return mac(v128.load(m, 48), v128.load32_splat(sum32, 12), mac(v128.load(m, 32), v128.load32_splat(sum32, 8), a));
}
