import commonSum from "../../../gpu/common_sum.wgsl";
import gatedNormText from "../../../gpu/gated_norm.wgsl";
import rmsNormText from "../../../gpu/rms_norm.wgsl";
import routerText from "../../../gpu/router.wgsl";
import routerEnd from "../../../gpu/router_end.wgsl";
import routerShared from "../../../gpu/router_shared.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { LowerNode } from "./dispatch.ts";
import { dispatch, f32, fold, rowWorkgroup } from "./kernel.ts";
import { rowRounding } from "./rounding.ts";

export const lowerRmsNorm: LowerNode = (node, context) => {
  const { dims, range } = context;
  const { T, D, eps } = scalarsOf(node, dims);
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(node.inputs.x!)],
    ["read", range(node.inputs.weight!)],
  ] as const;
  const { files, ...rounded } = rowRounding(node.outputs.out!, D!, bindings.length, context);
  const constants = { WG: rowWorkgroup(D!), D: D!, EPS: f32(eps!), ...rounded.constants };
  return [dispatch("rms_norm", [commonSum, ...files, rmsNormText], constants, [...bindings, ...rounded.bindings], fold(T!))];
};

export const lowerGatedNorm: LowerNode = (node, { dims, range }) => {
  const { T, D, eps } = scalarsOf(node, dims);
  const { x, gate, weight } = node.inputs;
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(x!)],
    ["read", range(gate!)],
    ["read", range(weight!)],
  ] as const;
  const constants = { WG: rowWorkgroup(D!), D: D!, EPS: f32(eps!) };
  return [dispatch("gated_norm", [commonSum, gatedNormText], constants, bindings, fold(T!))];
};

/** Experts whose logits fit beside the best of them into the 16 KiB of workgroup memory that every device has. */
export const MAX_EXPERTS = 2048;

export const lowerRouter: LowerNode = (node, { dims, range }) => {
  const { T, X, U } = scalarsOf(node, dims);
  const { ids, weights } = node.outputs;
  const bindings = [
    ["read_write", range(ids!)],
    ["read_write", range(weights!)],
    ["read", range(node.inputs.logits!)],
  ] as const;
  const constants = { WG: rowWorkgroup(2 * X!), X: X!, U: U! };
  const { gate } = node.inputs; // of the shared expert, where it counts as one more: see shared-expert.ts
  if (!gate) return [dispatch("router", [routerEnd, routerText], constants, bindings, fold(T!))];
  return [dispatch("router + shared", [routerShared, routerText], constants, [...bindings, ["read", range(gate)]], fold(T!))];
};
