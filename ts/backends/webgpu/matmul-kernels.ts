import common from "../../../gpu/common.wgsl";
import dot from "../../../gpu/matmul_dot.wgsl";
import dotPlain from "../../../gpu/matmul_dot_plain.wgsl";
import finish from "../../../gpu/matmul_finish.wgsl";
import q8 from "../../../gpu/matmul_q8.wgsl";
import q8Read from "../../../gpu/matmul_q8_read.wgsl";
import q8Silu from "../../../gpu/matmul_q8_silu.wgsl";
import store from "../../../gpu/matmul_store.wgsl";
import sum from "../../../gpu/matmul_sum.wgsl";
import sumSubgroup from "../../../gpu/matmul_sum_subgroup.wgsl";
import tileDense from "../../../gpu/matmul_tile_dense.wgsl";
import tileExperts from "../../../gpu/matmul_tile_experts.wgsl";
import tileF32 from "../../../gpu/matmul_tile_f32.wgsl";
import tileMatrix from "../../../gpu/matmul_tile_matrix.wgsl";
import tileQ8 from "../../../gpu/matmul_tile_q8.wgsl";
import vec from "../../../gpu/matmul_vec.wgsl";
import vecDense from "../../../gpu/matmul_vec_dense.wgsl";
import vecExperts from "../../../gpu/matmul_vec_experts.wgsl";
import vecFloat from "../../../gpu/matmul_vec_float.wgsl";
import xFloatSilu from "../../../gpu/matmul_x_float_silu.wgsl";
import xScalar from "../../../gpu/matmul_x_scalar.wgsl";
import xSilu from "../../../gpu/matmul_x_silu.wgsl";
import xVec4 from "../../../gpu/matmul_x_vec4.wgsl";
import quantizeQuad from "../../../gpu/quantize_quad.wgsl";
import unit from "../../../gpu/weights/unit.wgsl";
import { type Format, formatByName } from "../../graph/formats.ts";
import type { GpuCapabilities, KernelSpec } from "./dispatch.ts";
import { packingOf, UNIT, unitsOf } from "./matmul-packing.ts";

/**
 * The kernels of the matmul family as whole files put together: how weights are read (gpu/weights), how x is read, which rows a workgroup
 * takes (dense or experts), how sums end. All bind: 0-2 the weights' planes, 3-4 x, 5 out, 6 what tells a workgroup its expert.
 */
export interface Problem {
  readonly format: Format;
  /** Rows of w that are bound: of the matrix, or of each expert. */
  readonly N: number;
  readonly K: number;
  /** Columns of out, and the first that this dispatch writes. */
  readonly outStride: number;
  readonly firstN: number;
  /** x is silu(gate) · up of one row, and every workgroup makes it for itself: 3 and 4 are gate and up. For matrix-vector kernels only. */
  readonly silu?: boolean;
  /** For matmul_experts: all experts, those bound, and how many slots in a row read the same row of x. */
  readonly experts?: { readonly X: number; readonly first: number; readonly count: number; readonly shared: number };
}

const ACCESS = ["read", "read", "read", "read", "read", "read_write", "read"] as const;

/** For tokens few enough to read w once for all of them. */
export interface VecShape {
  readonly workgroup: number;
  /** Invocations that share a row's K. */
  readonly lanes: number;
  /** Rows of w and of x that they hold sums for. */
  readonly rows: number;
  readonly tokens: number;
}

/** For more: tiles of out. */
export interface TileShape {
  /** Rows of x and of w a workgroup, and of these an invocation. */
  readonly BM: number;
  readonly BN: number;
  readonly TM: number;
  readonly TN: number;
  /** Units of K at a time (q8 only). */
  readonly step: number;
}

function sizes({ format, N, K, outStride, firstN, experts }: Problem): Record<string, number> {
  const rest: Record<string, number> = experts
    ? { X: experts.X, FIRST_EXPERT: experts.first, EXPERTS: experts.count, SHARED: experts.shared }
    : {};
  return { N, K, UNITS: unitsOf(K), OUT_STRIDE: outStride, FIRST_N: firstN, ...packingOf(format).constants, ...rest };
}

/** The files that read x for a format, or make it: int8 beside int8 codes, f32 beside floats. */
function xFiles({ format, K, silu }: Problem, caps: GpuCapabilities): readonly string[] {
  const made = silu ? [common, xSilu] : [];
  if (packingOf(format).quantised) return [caps.dot4I8Packed ? dot : dotPlain, q8, ...made, ...(silu ? [quantizeQuad, q8Silu] : [q8Read])];
  return silu ? [...made, xFloatSilu] : [K % 4 === 0 ? xVec4 : xScalar];
}

/** Largest row that is made in fast memory: at 1024 it takes 7 KiB, and more would be read too often for the dispatch that it saves. */
const MAX_MADE = 1024;

export function canMakeSilu(format: Format, K: number): boolean {
  return K <= MAX_MADE && K % (packingOf(format).quantised ? UNIT : 4) === 0;
}

/** How sums over `lanes` neighbouring invocations end. Sub-groups smaller than 4 lanes are not worth their shuffles. */
export function laneSums(
  lanes: number,
  { subgroups, subgroupMin }: GpuCapabilities,
): Pick<KernelSpec, "constants" | "enables"> & { readonly file: string } {
  if (!subgroups || subgroupMin < 4) return { file: sum, constants: { LANES: lanes }, enables: [] };
  return { file: sumSubgroup, constants: { LANES: lanes, SUB: Math.min(subgroupMin, lanes) }, enables: ["subgroups"] };
}

export function vecKernel(problem: Problem, shape: VecShape, caps: GpuCapabilities): KernelSpec {
  const { format, experts } = problem;
  const { files, quantised } = packingOf(format);
  const sums = laneSums(shape.lanes, caps);
  const constants = { WORKGROUP: shape.workgroup, ROWS: shape.rows, TOKENS: shape.tokens, ...sums.constants };
  const made: Record<string, number> = problem.silu && quantised ? { BLOCK_UNITS: formatByName(format).blockSize / UNIT } : {};
  return {
    name: `${problem.silu ? "silu_mul + " : ""}${experts ? "matmul_experts" : "matmul"} vec ${format} ${problem.N}x${problem.K}`,
    files: [...files, ...xFiles(problem, caps), store, finish, experts ? vecExperts : vecDense, sums.file, quantised ? vec : vecFloat],
    constants: { ...sizes(problem), ...constants, ...made },
    enables: sums.enables,
    access: experts ? ACCESS : ACCESS.slice(0, 6),
  };
}

export function tileKernel(problem: Problem, shape: TileShape, caps: GpuCapabilities): KernelSpec {
  const { format, experts } = problem;
  const { files, quantised } = packingOf(format);
  const { BM, BN, TM, TN, step } = shape;
  const constants = { WORKGROUP: (BM / TM) * (BN / TN), BM, BN, TM, TN, STEP: step };
  return {
    name: `${experts ? "matmul_experts" : "matmul"} tile ${format} ${problem.N}x${problem.K}`,
    files: [...files, ...xFiles(problem, caps), store, experts ? tileExperts : tileDense, quantised ? tileQ8 : tileF32],
    constants: { ...sizes(problem), ...constants },
    access: experts ? ACCESS : ACCESS.slice(0, 6),
  };
}

/** Tiles on sub-group matrices: rows of x and of w a workgroup, multiples of 64 and 32, of which a sub-group takes 64 x 32. */
export interface MatrixShape {
  readonly BM: number;
  readonly BN: number;
}

/** Invocations of a workgroup. */
export function matrixWorkgroup({ BM, BN }: MatrixShape, lanes: number): number {
  return (BM / 64) * (BN / 32) * lanes;
}

/** Bytes of workgroup memory: tiles with rows of 80 bytes, 16 x 16 f32 a sub-group, and the table of a format with levels. */
export function matrixMemoryBytes({ BM, BN }: MatrixShape): number {
  return 80 * (BM + BN) + 1024 * (BM / 64) * (BN / 32) + 1024;
}

export function matrixKernel(problem: Problem, { BM, BN }: MatrixShape, caps: GpuCapabilities): KernelSpec {
  const { format } = problem;
  const { files, quantised } = packingOf(format);
  const LANES = caps.subgroupMin;
  const constants = { WORKGROUP: matrixWorkgroup({ BM, BN }, LANES), LANES, BM, BN };
  return {
    name: `matmul matrix ${format} ${problem.N}x${problem.K}`,
    files: [...files, ...(quantised ? [unit] : []), store, tileDense, tileMatrix],
    constants: { ...sizes(problem), ...constants },
    enables: ["f16", "subgroups", "chromium_experimental_subgroup_matrix"],
    access: ACCESS.slice(0, 6),
  };
}
