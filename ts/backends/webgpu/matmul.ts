import { type Format, formatByName } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Dispatch, GpuCapabilities, GpuRange, LoweringContext } from "./dispatch.ts";
import { expertTiles, halfActivations, quantisedActivations } from "./matmul-activations.ts";
import { type MatrixShape, matrixKernel, type Problem, type TileShape, tileKernel, vecKernel } from "./matmul-kernels.ts";
import { largestRowBytes, packingOf, ROW_ALIGN, weightBindings } from "./matmul-packing.ts";
import { expertTileShape, matrixShape, tileShape, useVec, useVecExperts, vecShape } from "./matmul-shapes.ts";

export { lowerGetRows } from "./matmul-get-rows.ts";

/** A weight: its packed memory, and its rows (experts: of all of them). */
interface Weight {
  readonly format: Format;
  readonly packed: GpuRange;
  readonly rows: number;
  readonly K: number;
}

/** out[t, n] = Σ_k x[t, k] · w[n, k]. `silu`: the silu_mul node that x comes from; for one token the matmul's workgroups do its work. */
export const lowerMatmul = (node: Node, context: LoweringContext, silu?: Node): readonly Dispatch[] => {
  const { T, N, K } = sizes(node, context, "T", "N", "K");
  const { x, w } = node.inputs as { x: Tensor; w: Tensor };
  const weight = { format: w.type as Format, packed: context.range(w), rows: N, K };
  const whole: Problem = { format: weight.format, N, K, outStride: N, firstN: 0, silu: silu !== undefined };
  const matrix = useVec(T) ? undefined : matrixShape(whole, T, context.caps);
  const activations = silu ? siluInputs(silu, context) : activationsOf(x, T, weight, matrix !== undefined, context);
  const out = context.range(node.outputs.out!);
  const dispatches = rowRanges(weight, ROW_ALIGN, context).flatMap(({ first, count }) =>
    tokenRanges(T, N, K, context).map((tokens): Dispatch => {
      const problem = { ...whole, N: count, firstN: first };
      const rows = (range: GpuRange) => slice(range, T, tokens.first, tokens.count);
      const bindings = bind(weightBindings(weight.format, weight.packed, N, K, first, count), activations.ranges.map(rows), rows(out));
      const work = useVec(T) ? vecWork(problem, tokens.count, context.caps) : tileWork(problem, tokens.count, matrix, context.caps);
      return { ...work, bindings };
    }),
  );
  return [...activations.dispatches, ...dispatches];
};

type Work = Omit<Dispatch, "bindings">;

/** The matrix-vector kernel; with experts each slot is a row of its own. */
function vecWork(problem: Problem, rows: number, caps: GpuCapabilities): Work {
  const shape = vecShape(problem, problem.experts ? 1 : rows);
  const [x, z] = spread(Math.ceil(problem.N / ((shape.workgroup / shape.lanes) * shape.rows)));
  return { kernel: vecKernel(problem, shape, caps), workgroups: [x, Math.ceil(rows / shape.tokens), z] };
}

function tileWork(problem: Problem, tokens: number, matrix: MatrixShape | undefined, caps: GpuCapabilities): Work {
  const shape = matrix ?? tileShape(problem, tokens, caps);
  const kernel = matrix ? matrixKernel(problem, matrix, caps) : tileKernel(problem, shape as TileShape, caps);
  return { kernel, workgroups: [Math.ceil(problem.N / shape.BN), Math.ceil(tokens / shape.BM), 1] };
}

/** out[t, u, n] = Σ_k x[t, u mod B, k] · w[ids[t, u], n, k] */
export const lowerMatmulExperts = (node: Node, context: LoweringContext, silu?: Node): readonly Dispatch[] => {
  const { T, U, B, X, N, K } = sizes(node, context, "T", "U", "B", "X", "N", "K");
  const { x, w, ids } = node.inputs as { x: Tensor; w: Tensor; ids: Tensor };
  const { caps } = context;
  const weight = { format: w.type as Format, packed: context.range(w), rows: X * N, K };
  const slots = T * U;
  const activations = silu ? siluInputs(silu, context) : activationsOf(x, T * B, weight, false, context);
  const tile = expertTileShape(slots, X, caps);
  const plan = useVecExperts(slots, X) ? undefined : expertTiles(ids, slots, X, tile.BM, context);
  const out = context.range(node.outputs.out!);
  const dispatches = rowRanges(weight, alignedExperts(N) * N, context).map(({ first, count }): Dispatch => {
    const experts = { X, first: first / N, count: count / N, shared: B === 1 ? U : 1 };
    const problem: Problem = { format: weight.format, N, K, outStride: N, firstN: 0, silu: silu !== undefined, experts };
    const bindings = bind(weightBindings(weight.format, weight.packed, weight.rows, K, first, count), activations.ranges, out);
    if (!plan) return { ...vecWork(problem, slots, caps), bindings: [...bindings, context.range(ids)] };
    const workgroups = [Math.ceil(N / tile.BN), plan.maxTiles, 1] as const;
    return { kernel: tileKernel(problem, tile, caps), bindings: [...bindings, plan.ranges], workgroups };
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

/** What matmul_x_silu.wgsl reads. */
function siluInputs({ inputs }: Node, { range }: LoweringContext): { ranges: readonly GpuRange[]; dispatches: readonly Dispatch[] } {
  return { ranges: [range(inputs.gate!), range(inputs.up!)], dispatches: [] };
}

/** x in f16 or int8, and its scales, or x itself. */
function activationsOf(
  x: Tensor,
  rows: number,
  weight: Weight,
  half: boolean,
  context: LoweringContext,
): { ranges: readonly GpuRange[]; dispatches: readonly Dispatch[] } {
  const form = { K: weight.K, block: formatByName(weight.format).blockSize };
  if (half) return halfActivations(x, rows, form, context);
  if (packingOf(weight.format).quantised) return quantisedActivations(x, rows, form, context);
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
