import type { OpDeclaration } from "../op.ts";
import { argmax } from "./argmax.ts";
import { attention } from "./attention.ts";
import { add, mul, sub } from "./broadcast.ts";
import { conv1d } from "./conv1d.ts";
import { expertsSum } from "./experts_sum.ts";
import { gatedDelta } from "./gated_delta.ts";
import { gatedNorm } from "./gated_norm.ts";
import { getRows } from "./get_rows.ts";
import { kvWrite } from "./kv_write.ts";
import { matmul } from "./matmul.ts";
import { matmulExperts } from "./matmul_experts.ts";
import { rmsNorm } from "./rms_norm.ts";
import { rope } from "./rope.ts";
import { router } from "./router.ts";
import { sigmoidMul } from "./sigmoid_mul.ts";
import { siluMul } from "./silu_mul.ts";
import { topK } from "./top_k.ts";

export {
  add,
  argmax,
  attention,
  conv1d,
  expertsSum,
  gatedDelta,
  gatedNorm,
  getRows,
  kvWrite,
  matmul,
  matmulExperts,
  mul,
  rmsNorm,
  rope,
  router,
  sigmoidMul,
  siluMul,
  sub,
  topK,
};

/** Every op of the family: what the conformance suite and the table of supported ops go through. */
export const allOps: readonly OpDeclaration[] = [
  ...[getRows, rmsNorm, matmul, matmulExperts, router, expertsSum, siluMul, sigmoidMul, add, sub, mul, rope, kvWrite, attention, conv1d],
  ...[gatedDelta, gatedNorm, argmax, topK],
].map((op) => op.declaration);
