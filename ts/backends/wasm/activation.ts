/**
 * Sizes of what the matmul kernels read and write besides tensors: quantised activations, expert plans, scratch. The layouts are
 * described where they are made: assembly/matmul/activation.ts, assembly/ops/expert_plan.ts, assembly/matmul/gemm.ts.
 */

import { type Format, formatByName } from "../../graph/formats.ts";

/** What a matmul reads beside a weight format: f32 itself, or int8 in blocks of 32 or 256. */
export type ActivationKind = "none" | "q8_32" | "q8_256";

/** The `kind` argument of the quantize kernel. */
export const activationKindId = { none: 0, q8_32: 1, q8_256: 2 } as const satisfies Record<ActivationKind, number>;

export function activationKind(format: Format): ActivationKind {
  switch (formatByName(format).blockSize) {
    case 1:
      return "none";
    case 32:
      return "q8_32";
    default:
      return "q8_256";
  }
}

/** Bytes of x [T, K] quantised; 0 for "none". */
export function activationBytes(kind: ActivationKind, T: number, K: number): number {
  if (kind === "none") return 0;
  const block = kind === "q8_32" ? 32 : 256;
  const scales = align16((4 * K) / block);
  const sums = align16(K / 8) + align16(K / 16); // i16 per 16, i16 per 32
  return T * (scales + sums + K + 2 * K); // int8, i16
}

/** Bytes of expert_plan's output: X + 1 starts, a count, X routed experts and T · U slots. */
export function expertPlanBytes(T: number, U: number, X: number): number {
  return 4 * (2 * X + 2 + T * U);
}

/** Work units of matmul: each is eight rows of w. */
export function matmulUnits(N: number): number {
  return Math.ceil(N / 8);
}

/** Work units of matmul_experts: eight rows of one expert each, for as many experts as can be routed. */
export function expertUnits(T: number, U: number, X: number, N: number): number {
  return Math.min(X, T * U) * matmulUnits(N);
}

/** Strips that eight rows are unpacked to before they are woven: 8 · 1024 f32. */
const stripsBytes = 8 * 1024 * 4;
const accBytes = 4 * 128; // four of floats, or one of floats and one of integers
const quadsBytes = 1024 * 1024;

/** Scratch of one thread for matmul, matmul_experts and get_rows over rows of K elements, whatever the format. */
export function matmulScratchBytes(K: number): number {
  const panel = 32 * K; // of f32, the widest; a quad is half of it
  return stripsBytes + accBytes + panel + Math.max(quadsBytes, panel / 2);
}

function align16(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
