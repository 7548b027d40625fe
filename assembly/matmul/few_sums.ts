// What tokens do with a cell's sums, in few_cells.ts and few_words.ts alike: the products of the mins, and the float steps.

import { fma4, mac } from "../simd";

/** Four rows' sums of a token += products · d · dx: a float step of gemm.ts. */
// @ts-ignore: decorator
@inline
export function flush(sums: usize, products: v128, d: v128, dx: usize): void {
  v128.store(sums, fma4(f32x4.convert_i32x4_s(products), f32x4.mul(d, v128.load32_splat(dx)), v128.load(sums)));
}

/** The products of four rows' mins, i16[4][4][2], with a token's sums of 32. */
// @ts-ignore: decorator
@inline
export function minSums(m: usize, sum32: usize): v128 {
  const a = mac(v128.load(m, 16), v128.load32_splat(sum32, 4), i32x4.dot_i16x8_s(v128.load(m), v128.load32_splat(sum32)));
  return mac(v128.load(m, 48), v128.load32_splat(sum32, 12), mac(v128.load(m, 32), v128.load32_splat(sum32, 8), a));
}
