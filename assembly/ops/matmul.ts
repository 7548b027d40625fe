import { isFloat } from "../formats/table";
import { gemm } from "../matmul/gemm";

/**
 * out[T, N] = x[T, K] · w[N, K]ᵀ. format: GGUF type id of w. xq: x as ops/quantize.ts left it for that format; float formats read x.
 * Unit: eight rows of w. scratch: matmulScratchBytes(K), the thread's own.
 */
export function matmul(out: usize, x: usize, xq: usize, w: usize, T: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  gemm(out, isFloat(format) ? x : xq, w, 0, 1, T, N, K, format, scratch, begin, end);
}
