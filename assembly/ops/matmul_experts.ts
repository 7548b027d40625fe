import { isFloat, rowBytes } from "../formats/table";
import { gemm } from "../matmul/gemm";
import { PANEL_ROWS } from "../matmul/panel";
import { routedOf, slotsOf } from "./expert_plan";

/**
 * out[t, u, n] = Σ_k x[t, B == 1 ? 0 : u, k] · w[ids[t, u], n, k]: x f32[T, B, K] (xq: the same as T · B quantised rows), w [X, N, K],
 * plan from expert_plan (ids itself is not read). Each expert's tokens go through one product: see gemm.ts.
 * `table` is 0, or u32[X] with the address of each expert: those with 0 are left for another run.
 * Unit: eight rows of a routed expert, those of one after the other's: what a thread draws lies in one piece, so the prefetcher gets into its stride.
 * Units behind the last routed expert's are empty. (With eight rows of every expert as a unit 8 streams took 27 % longer here. Reading the
 * first lines of the next expert ahead gained 3 % at most.)
 */
export function matmul_experts(out: usize, x: usize, xq: usize, w: usize, ids: usize, plan: usize, table: usize, T: u32, U: u32, B: u32, X: u32, N: u32, K: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const expertBytes = <usize>N * rowBytes(format, K), slots = slotsOf(plan, X), perExpert = (N + PANEL_ROWS - 1) / PANEL_ROWS;
  const input = isFloat(format) ? x : xq, share = B == 1 ? U : 1;
  const routed = routedOf(plan, X), count = load<u32>(routed - 4);
  for (let i = begin / perExpert; i < count && i * perExpert < end; i++) {
    const e = load<u32>(routed + (<usize>i << 2)), at = plan + (<usize>e << 2), start = load<u32>(at), first = i * perExpert;
    const expert = table == 0 ? w + <usize>e * expertBytes : <usize>load<u32>(table + (<usize>e << 2));
    if (expert == 0) continue;
    gemm(out, input, expert, slots + (<usize>start << 2), share, load<u32>(at, 4) - start, N, K, format, scratch, max(begin, first) - first, min(end - first, perExpert));
  }
}
