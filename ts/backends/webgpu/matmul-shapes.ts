import type { GpuCapabilities } from "./dispatch.ts";
import { type MatrixShape, matrixMemoryBytes, matrixWorkgroup, type Problem, type TileShape, type VecShape } from "./matmul-kernels.ts";
import { packingOf, unitsOf } from "./matmul-packing.ts";

/**
 * Which kernel a matmul becomes, and the sizes of its workgroups: every number that was tuned is here. All were measured on an H100
 * (Dawn, Vulkan, clocks up), in Q4_K where nothing else is said; microseconds are of one dispatch, 2.3 of them its own price.
 *
 * What did not pay: f32 activations in the matrix-vector kernel instead of int8 (5.5 µs against 3.9 at 2048 x 2048; quantising costs 3.1,
 * once for all matmuls of an x); four rows of w a lane at one token (1538 GB/s against 2274 with one); levels looked up in a table with a
 * copy a bank (1267 GB/s) or by selects (813) instead of pairs (1514).
 */

/** Up to so many tokens w is read by the matrix-vector kernels: at 16 and 2048 x 2048 14 µs against 21 in tiles; 32 take 21 in tiles too. */
const VEC_TOKENS = 16;

export function useVec(tokens: number): boolean {
  return tokens <= VEC_TOKENS;
}

/** Below so many slots an expert its weights are read once a slot. 512 experts of 512 x 2048, 1.25 slots each: 182 µs against 273; with 2.5 each tiles take 356. */
const VEC_SLOTS_AN_EXPERT = 2;

export function useVecExperts(slots: number, X: number): boolean {
  return slots < VEC_SLOTS_AN_EXPERT * X || slots <= VEC_TOKENS;
}

const VEC_WORKGROUP = 128;
/** Rows a lane where each workgroup makes its x first: fewer workgroups read gate and up less often. */
const SILU_ROWS = 4;

export function vecShape({ format, N, K, silu }: Problem, tokens: number): VecShape {
  const { quantised, constants } = packingOf(format);
  const steps = quantised ? unitsOf(K) : Math.ceil(K / 8);
  // Two steps a lane, so that loads overlap; a matrix of few rows has no other way to keep the GPU busy than more lanes a row.
  const wanted = Math.max(N < 1024 ? steps : steps / 2, 16);
  const lanes = powerOfTwo(Math.min(wanted, steps, quantised ? 64 : 128));
  const many = N >= 4096;
  if (silu) return { workgroup: VEC_WORKGROUP, lanes, rows: SILU_ROWS, tokens: 1 };
  // Formats with levels look them up: two rows hide the table's latency (1514 GB/s against 1375).
  if (tokens === 1) return { workgroup: VEC_WORKGROUP, lanes, rows: many && "LEVELS_0" in constants ? 2 : 1, tokens: 1 };
  const [rows, at] = many ? manyRows(tokens) : fewRows(tokens);
  return { workgroup: VEC_WORKGROUP, lanes, rows, tokens: at };
}

/** Rows of w and of x that a lane holds sums for, 8192 x 8192: each unit of x is read from a cache for every row, so more rows pay. */
function manyRows(tokens: number): readonly [rows: number, tokens: number] {
  if (tokens <= 2) return [1, 2]; // 22.8 µs (two rows 21.5)
  if (tokens <= 4) return [4, 2]; // 27.1, four tokens at once 34.0
  return [4, 8]; // 8 tokens 45.5, 16 tokens 84
}

/** The same at 2048 x 2048: more rows a lane leave too few workgroups. */
function fewRows(tokens: number): readonly [rows: number, tokens: number] {
  if (tokens <= 2) return [1, 2]; // 4.9 µs, two rows 6.0
  if (tokens <= 4) return [1, 4]; // 6.8, two rows 7.5
  return tokens <= 8 ? [2, 4] : [2, 8]; // 8.8, 14.1
}

/** The largest tile that makes enough workgroups; TFLOP/s: 4096 x 4096 x 4096 72; T x 2048 x 2048 T = 512 53, 128 28, 64 19, 32 13. */
export function tileShape({ format, N }: Problem, tokens: number, caps: GpuCapabilities): TileShape {
  if (isSmall(caps)) return SMALL_TILE;
  const groups = (BM: number, BN: number) => Math.ceil(tokens / BM) * Math.ceil(N / BN);
  // Int8 alone: f32 operands want twice the reads from workgroup memory, and 32 sums an invocation do not pay (22 against 27).
  if (packingOf(format).quantised && groups(64, 64) >= 1024) return { BM: 64, BN: 64, TM: 4, TN: 8, step: 2 };
  if (groups(64, 64) >= 256) return { BM: 64, BN: 64, TM: 4, TN: 4, step: 2 };
  if (groups(32, 64) >= 128) return { BM: 32, BN: 64, TM: 4, TN: 4, step: 2 };
  return { BM: 16, BN: 32, TM: 2, TN: 2, step: 4 };
}

/** The tile's height follows the slots that an expert has on average: rows of a tile that no slot fills are work for nothing. */
export function expertTileShape(slots: number, X: number, caps: GpuCapabilities): TileShape {
  if (isSmall(caps)) return SMALL_TILE;
  const average = slots / X;
  if (average <= 24) return { BM: 16, BN: 64, TM: 2, TN: 4, step: 2 }; // 10: 414 µs, BM = 32 556
  if (average <= 64) return { BM: 32, BN: 64, TM: 4, TN: 4, step: 2 }; // 40: 1020 µs, BM = 64 1071
  return { BM: 64, BN: 64, TM: 4, TN: 4, step: 2 };
}

/**
 * Adapters that hold no more than the specification's 256 invocations a workgroup are software (SwiftShader) or old: they unroll every
 * loop over a tile, and compile for 3 s where this one takes half a second.
 */
const isSmall = (caps: GpuCapabilities): boolean => caps.limits.maxComputeInvocationsPerWorkgroup <= 256;
const SMALL_TILE: TileShape = { BM: 32, BN: 32, TM: 2, TN: 2, step: 1 };

/** 4096 x 4096 x 4096: 137, 135 and 110 TFLOP/s (the last as 32 x 32 a sub-group); int8 tiles have 72, f32 tiles 27. */
const MATRIX_SHAPES: readonly MatrixShape[] = [
  { BM: 128, BN: 128 },
  { BM: 128, BN: 64 },
  { BM: 64, BN: 64 },
];

/**
 * The tile on sub-group matrices, or undefined where another way is better. F32 weights (routers, gates) keep their precision: f16 would
 * lose half of it. Quantised formats have int8 tiles, which fill a GPU with less work; floats have f32 tiles, which are slow.
 */
export function matrixShape({ format, N }: Problem, tokens: number, caps: GpuCapabilities): MatrixShape | undefined {
  // The kernel counts on one size of sub-groups.
  if (!caps.subgroupMatrix || caps.subgroupMin !== caps.subgroupMax || format === "F32") return undefined;
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = caps.limits;
  const groups = ({ BM, BN }: MatrixShape) => Math.ceil(tokens / BM) * Math.ceil(N / BN);
  const smallest = MATRIX_SHAPES.at(-1)!;
  if (groups(smallest) < (packingOf(format).quantised ? 512 : 64)) return undefined;
  return MATRIX_SHAPES.find((shape) => {
    const workgroup = matrixWorkgroup(shape, caps.subgroupMin);
    const possible =
      matrixMemoryBytes(shape) <= maxComputeWorkgroupStorageSize && workgroup <= maxComputeInvocationsPerWorkgroup && workgroup >= shape.BN;
    return possible && (shape === smallest || groups(shape) >= 256);
  });
}

/** The largest power of two at or below n, at least 1. */
function powerOfTwo(n: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, n)));
}
