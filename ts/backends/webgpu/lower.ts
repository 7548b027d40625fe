import { tensorBytes } from "../../graph/bytes.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { LowerNode } from "./dispatch.ts";
import { lowerArgmax } from "./lower-argmax.ts";
import { lowerAttention, lowerKvWrite, MAX_HEAD } from "./lower-cache.ts";
import { deltaSupported, lowerConv1d } from "./lower-delta.ts";
import { lowerGatedDelta } from "./lower-delta-form.ts";
import { lowerBroadcast, lowerExpertsSum, lowerRope, lowerSigmoidMul, lowerSiluMul } from "./lower-elementwise.ts";
import { lowerGatedNorm, lowerRmsNorm, lowerRouter, MAX_EXPERTS } from "./lower-rows.ts";
import { lowerTopK, MAX_TOP_K } from "./lower-top-k.ts";
import { lowerGetRows, lowerMatmul, lowerMatmulExperts } from "./matmul.ts";

/** What each op becomes on the GPU. */
export const lowerings: Readonly<Record<string, LowerNode>> = {
  argmax: lowerArgmax,
  top_k: lowerTopK,
  get_rows: lowerGetRows,
  rms_norm: lowerRmsNorm,
  matmul: lowerMatmul,
  matmul_experts: lowerMatmulExperts,
  router: lowerRouter,
  experts_sum: lowerExpertsSum,
  silu_mul: lowerSiluMul,
  sigmoid_mul: lowerSigmoidMul,
  add: lowerBroadcast,
  sub: lowerBroadcast,
  mul: lowerBroadcast,
  rope: lowerRope,
  kv_write: lowerKvWrite,
  attention: lowerAttention,
  conv1d: lowerConv1d,
  gated_delta: lowerGatedDelta,
  gated_norm: lowerGatedNorm,
};

/** No extents of weights and states vary. */
const FIXED = { T: 1, O: 1 };

/** Whether a node can run here: its op, its sizes, and what one binding of this device holds. */
export function supported(node: Node, limits: GPUSupportedLimits): boolean {
  if (!lowerings[node.op.name] || !sizesSupported(node)) return false;
  const { inputs } = node;
  const tensors = Object.entries(inputs).filter(([argument]) => argument !== "w"); // matmul binds its weights in ranges of rows
  if (tensors.some(([, tensor]) => tensorBytes(tensor, FIXED) > limits.maxStorageBufferBindingSize)) return false;
  // One value bound twice beside a written one of the same arena would alias; no graph of the family does it.
  const values = Object.values(inputs).filter((tensor) => tensor.kind === "value");
  return new Set(values.map((tensor) => tensor.storage)).size === values.length;
}

function sizesSupported(node: Node): boolean {
  const s = scalarsOf(node, FIXED);
  switch (node.op.name) {
    case "conv1d": // its kernels keep a window of 4 taps
      return s.K === 4;
    case "gated_delta":
      return deltaSupported(s);
    case "attention":
      return s.D! % 4 === 0 && s.D! <= MAX_HEAD && [node.inputs.kCache!, node.inputs.vCache!].every((cache) => wholeWords(cache, s.D!, 4));
    case "kv_write":
      return [node.inputs.kCache!, node.inputs.vCache!].every((cache) => wholeWords(cache, s.D!, 64)) && s.D! <= 2048;
    case "router":
      return s.X! <= MAX_EXPERTS;
    case "top_k":
      return s.k! <= MAX_TOP_K;
    default:
      return true;
  }
}

/** Rows of a cache must start at whole words where kernels write them: Q8_0's 34-byte blocks in pairs. */
function wholeWords(cache: Tensor, D: number, q8: number): boolean {
  return cache.type === "F32" || (cache.type === "F16" ? D % 2 === 0 : D % q8 === 0);
}
