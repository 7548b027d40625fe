import { isFloat, rowBytes } from "../formats/table";
import { gemm } from "../matmul/gemm";

/**
 * out[t, u, n] = Σ_k x[t, B == 1 ? 0 : u, k] · w[ids[t, u], n, k]: x f32[T, B, K] (xq: the same as T · B quantised rows), w [X, N, K],
 * plan from expert_plan (ids itself is not read). Each expert's tokens go through one product: see gemm.ts.
 * `table` is 0, or u32[X] with the address of each expert: those with 0 are left for another run.
 * Unit: eight rows of every expert. Any split of units is then balanced, however unevenly the router spreads its tokens. (Reading the first
 * lines of the next expert's rows ahead gains 3 % at most; fewer, larger tickets lose to uneven threads.)
 */
export function matmul_experts(out: usize, x: usize, xq: usize, w: usize, ids: usize, plan: usize, table: usize, T: u32, U: u32, B: u32, X: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const expertBytes = <usize>N * rowBytes(format, K), slots = plan + (<usize>(X + 1) << 2);
  const input = isFloat(format) ? x : xq, share = B == 1 ? U : 1;
  let start = load<u32>(plan);
  for (let e: u32 = 0; e < X; e++) {
    const stop = load<u32>(plan + (<usize>e << 2), 4);
    const expert = table == 0 ? w + <usize>e * expertBytes : <usize>load<u32>(table + (<usize>e << 2));
    if (stop > start && expert != 0) gemm(out, input, expert, slots + (<usize>start << 2), share, stop - start, N, K, format, scratch, begin, end);
    start = stop;
  }
}
