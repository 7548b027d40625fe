import type { Format } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Dispatch, GpuCapabilities, GpuRange, KernelSpec, LoweringContext, LowerNode } from "./dispatch.ts";
import { expertTiles, halfActivations, quantisedActivations } from "./matmul-activations.ts";
import { type MatrixShape, matrixKernel, type Problem, type TileShape, tileKernel, vecKernel } from "./matmul-kernels.ts";
import { largestRowBytes, packingOf, ROW_ALIGN, weightBindings } from "./matmul-packing.ts";
import { expertMatrixShape, expertTileShape, matrixShape, tileShape, useMatrix, useVec, useVecExperts, vecShape } from "./matmul-shapes.ts";

export { lowerGetRows } from "./matmul-get-rows.ts";

/** A weight: its packed memory, and its rows (experts: of all of them). */
interface Weight {
  readonly format: Format;
  readonly packed: GpuRange;
  readonly rows: number;
  readonly K: number;
}

/** out[t, n] = Σ_k x[t, k] · w[n, k] */
export const lowerMatmul: LowerNode = (node, context) => {
  const { T, N, K } = sizes(node, context, "T", "N", "K");
  const { x, w } = node.inputs as { x: Tensor; w: Tensor };
  const weight = { format: w.type as Format, packed: context.range(w), rows: N, K };
  const way = useVec(T) ? "vec" : useMatrix(weight.format, context.caps) ? "matrix" : "tile";
  const activations = activationsOf(x, T, weight, way, context);
  const out = context.range(node.outputs.out!);
  const dispatches = rowRanges(weight, ROW_ALIGN, context).flatMap(({ first, count }) =>
    tokenRanges(T, N, K, context).map((tokens): Dispatch => {
      const problem: Problem = { format: weight.format, N: count, K, outStride: N, firstN: first };
      const rows = (range: GpuRange) => slice(range, T, tokens.first, tokens.count);
      const bindings = bind(weightBindings(weight.format, weight.packed, N, K, first, count), activations.ranges.map(rows), rows(out));
      return { ...denseKernel(problem, tokens.count, way, context), bindings };
    }),
  );
  return [...activations.dispatches, ...dispatches];
};

/** How a matmul is done: see the kernels of these names. */
type Way = "vec" | "tile" | "matrix";

function denseKernel(problem: Problem, tokens: number, way: Way, { caps }: LoweringContext): Omit<Dispatch, "bindings"> {
  if (way === "vec") {
    const shape = vecShape(problem, tokens);
    const [x, z] = spread(Math.ceil(problem.N / ((shape.workgroup / shape.lanes) * shape.rows)));
    return { kernel: vecKernel(problem, shape, caps), workgroups: [x, Math.ceil(tokens / shape.tokens), z] };
  }
  const [kernel, { BM, BN }] = tiled(problem, way, matrixShape(problem, tokens, caps), tileShape(problem, tokens, caps), caps);
  return { kernel, workgroups: [Math.ceil(problem.N / BN), Math.ceil(tokens / BM), 1] };
}

function tiled(
  problem: Problem,
  way: Way,
  matrix: MatrixShape,
  tile: TileShape,
  caps: GpuCapabilities,
): readonly [KernelSpec, { BM: number; BN: number }] {
  return way === "matrix" ? [matrixKernel(problem, matrix, caps), matrix] : [tileKernel(problem, tile, caps), tile];
}

/** out[t, u, n] = Σ_k x[t, u mod B, k] · w[ids[t, u], n, k] */
export const lowerMatmulExperts: LowerNode = (node, context) => {
  const { T, U, B, X, N, K } = sizes(node, context, "T", "U", "B", "X", "N", "K");
  const { x, w, ids } = node.inputs as { x: Tensor; w: Tensor; ids: Tensor };
  const { caps } = context;
  const weight = { format: w.type as Format, packed: context.range(w), rows: X * N, K };
  const slots = T * U;
  const way = useVecExperts(slots, X) ? "vec" : useMatrix(weight.format, caps) ? "matrix" : "tile";
  const activations = activationsOf(x, T * B, weight, way, context);
  const [matrix, tile] = [expertMatrixShape(slots, X), expertTileShape(slots, X)];
  const plan = way === "vec" ? undefined : expertTiles(ids, slots, X, (way === "matrix" ? matrix : tile).BM, context);
  const jobs = plan ? plan.ranges : context.range(ids);
  const out = context.range(node.outputs.out!);
  const dispatches = rowRanges(weight, alignedExperts(N) * N, context).map(({ first, count }): Dispatch => {
    const experts = { X, first: first / N, count: count / N, shared: B === 1 ? U : 1 };
    const problem: Problem = { format: weight.format, N, K, outStride: N, firstN: 0, experts };
    const bindings = [...bind(weightBindings(weight.format, weight.packed, weight.rows, K, first, count), activations.ranges, out), jobs];
    if (!plan) {
      const shape = vecShape(problem, 1);
      const [gx, gz] = spread(Math.ceil(N / ((shape.workgroup / shape.lanes) * shape.rows)));
      return { kernel: vecKernel(problem, shape, caps), bindings, workgroups: [gx, slots, gz] };
    }
    const [kernel, { BN }] = tiled(problem, way, matrix, tile, caps);
    return { kernel, bindings, workgroups: [Math.ceil(N / BN), plan.maxTiles, 1] };
  });
  return [...activations.dispatches, ...(plan?.dispatches ?? []), ...dispatches];
};

/** The node's letters as numbers. */
function sizes<L extends string>(node: Node, { dims }: LoweringContext, ...letters: L[]): Record<L, number> {
  const scalars = scalarsOf(node, dims);
  return Object.fromEntries(letters.map((letter) => [letter, scalars[letter]!])) as Record<L, number>;
}

/** Bindings 0 to 5. Where x is one range (f32), no file reads binding 4: it repeats a plane of the weights. */
function bind(weights: readonly GpuRange[], x: readonly GpuRange[], out: GpuRange): readonly GpuRange[] {
  return [...weights, x[0]!, x[1] ?? weights[0]!, out];
}

/** x in f16 or int8, and its scales, or x itself. */
function activationsOf(
  x: Tensor,
  rows: number,
  weight: Weight,
  way: Way,
  context: LoweringContext,
): { ranges: readonly GpuRange[]; dispatches: readonly Dispatch[] } {
  if (way === "matrix") return halfActivations(x, rows, weight.K, context);
  if (packingOf(weight.format).quantised) return quantisedActivations(x, rows, weight.K, context);
  return { ranges: [context.range(x)], dispatches: [] };
}

interface RowRange {
  readonly first: number;
  readonly count: number;
}

/** Runs of w's rows that can be bound at once, each but the last a multiple of `unit` rows. */
function rowRanges({ format, rows, K }: Weight, unit: number, { caps }: LoweringContext): RowRange[] {
  const most = Math.floor(caps.limits.maxStorageBufferBindingSize / largestRowBytes(format, K));
  return ranges(rows, most >= rows ? rows : Math.max(unit, Math.floor(most / unit) * unit));
}

/** Experts whose rows together end at a binding's alignment. */
function alignedExperts(N: number): number {
  let experts = 1;
  while ((experts * N) % ROW_ALIGN !== 0) experts *= 2;
  return experts;
}

/** Runs of tokens whose x and out can be bound at once: logits of a whole ubatch may be more. 64 rows of anything end at a binding's alignment. */
function tokenRanges(T: number, N: number, K: number, { caps }: LoweringContext): RowRange[] {
  const most = Math.floor(caps.limits.maxStorageBufferBindingSize / (4 * Math.max(N, K)));
  return ranges(T, most >= T ? T : Math.max(64, Math.floor(most / 64) * 64));
}

function ranges(total: number, most: number): RowRange[] {
  return Array.from({ length: Math.ceil(total / most) }, (_, i) => ({ first: i * most, count: Math.min(most, total - i * most) }));
}

/** Rows [first, first + count) of a range that holds `rows` equal ones. */
function slice(range: GpuRange, rows: number, first: number, count: number): GpuRange {
  const rowBytes = range.bytes / rows;
  return { buffer: range.buffer, offset: range.offset + first * rowBytes, bytes: count * rowBytes };
}

/** So many workgroups as x and z: a dimension holds 65535. */
function spread(groups: number): readonly [x: number, z: number] {
  const z = Math.ceil(groups / 65535);
  return [Math.ceil(groups / z), z];
}
