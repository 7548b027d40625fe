import type { Format } from "../../graph/formats.ts";
import type { GpuCapabilities } from "./dispatch.ts";
import type { MatrixShape, Problem, TileShape, VecShape } from "./matmul-kernels.ts";
import { packingOf, unitsOf } from "./matmul-packing.ts";

/** Which kernel a matmul becomes, and the sizes of its workgroups: every number that was tuned is here. */

/** Up to so many tokens w is read once a TOKENS of them by the matrix-vector kernels; beyond, tiles. */
const VEC_TOKENS = 8;

export function useVec(tokens: number): boolean {
  return tokens <= VEC_TOKENS;
}

/** Below so many slots an expert, its weights are read once a slot: most experts in use have one slot. */
const VEC_SLOTS_AN_EXPERT = 2;

export function useVecExperts(slots: number, X: number): boolean {
  return slots < VEC_SLOTS_AN_EXPERT * X || slots <= VEC_TOKENS;
}

const VEC_WORKGROUP = 128;

export function vecShape({ format, N, K }: Problem, tokens: number): VecShape {
  const { quantised } = packingOf(format);
  const steps = quantised ? unitsOf(K) : Math.ceil(K / 8);
  // Two loads a lane and row in flight; a matrix of few rows has more lanes a row instead.
  const few = N < 1024;
  const lanes = Math.min(VEC_WORKGROUP, powerOfTwo(few ? steps : steps / 2));
  return { workgroup: VEC_WORKGROUP, lanes, rows: few ? 1 : 2, tokens: powerOfTwoAbove(Math.min(tokens, VEC_TOKENS)) };
}

export function tileShape(_problem: Problem, tokens: number, _caps: GpuCapabilities): TileShape {
  if (tokens <= 16) return { BM: 16, BN: 64, TM: 2, TN: 4, step: 2 };
  if (tokens <= 32) return { BM: 32, BN: 64, TM: 4, TN: 4, step: 2 };
  return { BM: 64, BN: 64, TM: 4, TN: 4, step: 2 };
}

/** The tile's height follows the slots that an expert has on average: rows of a tile that no slot fills are work for nothing. */
export function expertTileShape(slots: number, X: number): TileShape {
  const average = slots / X;
  if (average <= 16) return { BM: 16, BN: 64, TM: 2, TN: 4, step: 2 };
  if (average <= 32) return { BM: 32, BN: 64, TM: 4, TN: 4, step: 2 };
  return { BM: 64, BN: 64, TM: 4, TN: 4, step: 2 };
}

/** F32 weights (routers, gates) keep their precision: f16 operands would lose half of it. Kernels count on one size of sub-groups. */
export function useMatrix(format: Format, caps: GpuCapabilities): boolean {
  return caps.subgroupMatrix && caps.subgroupMin === caps.subgroupMax && format !== "F32";
}

export function matrixShape(_problem: Problem, tokens: number, _caps: GpuCapabilities): MatrixShape {
  if (tokens <= 32) return { BM: 32, BN: 64, WM: 16, WN: 32 };
  return { BM: 64, BN: 64, WM: 32, WN: 32 };
}

export function expertMatrixShape(slots: number, X: number): MatrixShape {
  const average = slots / X;
  if (average <= 16) return { BM: 16, BN: 64, WM: 16, WN: 16 };
  if (average <= 32) return { BM: 32, BN: 64, WM: 16, WN: 32 };
  return { BM: 64, BN: 64, WM: 32, WN: 32 };
}

/** The largest power of two at or below n, at least 1. */
function powerOfTwo(n: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, n)));
}

function powerOfTwoAbove(n: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, n)));
}
