import { tensorBytes } from "../../graph/bytes.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Scalars } from "../../graph/tensor.ts";
import type { Dispatch, LoweringContext, LowerNode } from "./dispatch.ts";
import { recurrentDispatches } from "./lower-delta.ts";
import { chunkedDispatches, chunkedSupported } from "./lower-delta-chunk.ts";
import { lowerGatedNorm } from "./lower-rows.ts";

/** How gated_delta and the gated_norm behind it run: token by token in one kernel, token by token then the norm, in chunks then the norm. */
export type DeltaForm = "fused" | "recurrent" | "chunked";

/**
 * From so many tokens on the norm is a pass of its own: without it a head is spread over four workgroups. H100, 32 heads of 128, 64 tokens:
 * 0.058 ms against 0.147 (bench/gpu-delta.mjs); below, the dispatch that it costs weighs more.
 */
const NORM_APART = 16;
/**
 * Runs of so many tokens of a sequence go in chunks: a run should fill one. H100, chunked against token by token: 64 tokens 0.089 ms against
 * 0.058, 256 0.164 against 0.195, 512 0.31 against 0.47, 2048 1.06 against 1.87.
 */
export const CHUNKED_RUN = 64;

/** The form for a ubatch of these sizes. */
export function deltaForm(s: Scalars, limits: GPUSupportedLimits): DeltaForm {
  if (s.T! >= CHUNKED_RUN && chunkedSupported(s, limits)) return "chunked";
  return s.T! >= NORM_APART ? "recurrent" : "fused";
}

/** gated_delta and `norm`, the gated_norm node that follows, in the form that its sizes ask for. */
export function deltaDispatches(
  node: Node,
  context: LoweringContext,
  norm?: Node,
  form: DeltaForm = deltaForm(scalarsOf(node, context.dims), context.caps.limits),
): readonly Dispatch[] {
  if (form === "fused") return recurrentDispatches(node, context, norm);
  if (norm) {
    const { storage } = node.outputs.out!;
    const raw = context.scratch("gated_delta", tensorBytes(storage, context.dims)); // [T, Hv, Dv]
    const inner: LoweringContext = { ...context, range: (tensor) => (tensor.storage === storage ? raw : context.range(tensor)) };
    return [...deltaDispatches(node, inner, undefined, form), ...lowerGatedNorm(norm, inner)];
  }
  return form === "chunked" ? chunkedDispatches(node, context, CHUNKED_RUN) : recurrentDispatches(node, context);
}

export const lowerGatedDelta: LowerNode = (node, context) => deltaDispatches(node, context);
