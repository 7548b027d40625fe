// Quantised activations: the layout that ops/quantize.ts writes and every integer matmul reads. The TypeScript side of this file is
// ts/backends/wasm/activation.ts.
//
// One row of K elements, blocks of B = 32 (kind 1, q8_32) or 256 (kind 2, q8_256); x[i] ~ scale[i / B] · q[i], |q| <= 127:
//   f32 scale[K / B]
//   i16 sum16[K / 16]     of q, for formats with mins or an offset per 16
//   i16 sum32[K / 32]     of q, the same per 32
//   i8  q[K]              in order: GEMM, relaxed matvec
//   i16 wide[K]           the same widened for the SIMD matvec, so that it is done once and not per weight row. q8_32: in order.
//                         q8_256: each 16 as 8 even elements then 8 odd ones, the order in which i16 shifts and masks take bytes apart.
// Each part starts at a multiple of 16 bytes from the row's start.

import { align16 } from "../simd";

// @ts-ignore: decorator
@inline
export const Q8_32: u32 = 1;
// @ts-ignore: decorator
@inline
export const Q8_256: u32 = 2;

// @ts-ignore: decorator
@inline
export function sum16Offset(K: u32, B: u32): usize {
  return align16(<usize>(K / B) << 2);
}
// @ts-ignore: decorator
@inline
export function sum32Offset(K: u32, B: u32): usize {
  return sum16Offset(K, B) + align16(<usize>K >> 3);
}
// @ts-ignore: decorator
@inline
export function qOffset(K: u32, B: u32): usize {
  return sum32Offset(K, B) + align16(<usize>K >> 4);
}
// @ts-ignore: decorator
@inline
export function wideOffset(K: u32, B: u32): usize {
  return qOffset(K, B) + <usize>K;
}
// @ts-ignore: decorator
@inline
export function activationRowBytes(K: u32, B: u32): usize {
  return wideOffset(K, B) + (<usize>K << 1);
}
