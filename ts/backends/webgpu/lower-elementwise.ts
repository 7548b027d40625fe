import addText from "../../../gpu/add.wgsl";
import broadcastText from "../../../gpu/broadcast.wgsl";
import elementwiseText from "../../../gpu/elementwise.wgsl";
import expertsSumText from "../../../gpu/experts_sum.wgsl";
import mulText from "../../../gpu/mul.wgsl";
import ropeText from "../../../gpu/rope.wgsl";
import sigmoidMulText from "../../../gpu/sigmoid_mul.wgsl";
import siluMulText from "../../../gpu/silu_mul.wgsl";
import siluMulQ8 from "../../../gpu/silu_mul_q8.wgsl";
import subText from "../../../gpu/sub.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { LowerNode } from "./dispatch.ts";
import { dispatch, fold, foldElements, WG } from "./kernel.ts";
import { UNIT } from "./matmul-packing.ts";
import { rounding } from "./rounding.ts";

const combine: Readonly<Record<string, string>> = { add: addText, sub: subText, mul: mulText };

/** add, sub, mul. */
export const lowerBroadcast: LowerNode = (node, { dims, range }) => {
  const s = scalarsOf(node, dims);
  const n = s.N0! * s.N1! * s.N2! * s.N3!;
  const { name } = node.op;
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(node.inputs.x!)],
    ["read", range(node.inputs.y!)],
  ] as const;
  const alike = [0, 1, 2, 3].every((i) => s[`N${i}`] === s[`M${i}`]);
  if (alike) return [dispatch(name, [combine[name]!, elementwiseText], { WG }, bindings, foldElements(n))];
  const { N1, N2, N3, M0, M1, M2, M3 } = s as Record<string, number>;
  const constants = { WG, N1: N1!, N2: N2!, N3: N3!, M0: M0!, M1: M1!, M2: M2!, M3: M3! };
  return [dispatch(`${name} broadcast`, [combine[name]!, broadcastText], constants, bindings, foldElements(n))];
};

export const lowerSiluMul: LowerNode = (node, context) => {
  const { dims, range } = context;
  const { T, F } = scalarsOf(node, dims);
  const out = node.outputs.out!;
  const bindings = [
    ["read_write", range(out)],
    ["read", range(node.inputs.gate!)],
    ["read", range(node.inputs.up!)],
  ] as const;
  const rounded = rounding(out, F!, bindings.length, context);
  if (!rounded) return [dispatch("silu_mul", [siluMulText], { WG }, bindings, foldElements(T! * F!))];
  const constants = { WG: ROUNDING_WG, ...rounded.constants };
  const groups = fold(Math.ceil((T! * F!) / (UNIT * ROUNDING_WG)));
  return [dispatch("silu_mul q8", [...rounded.files, siluMulQ8], constants, [...bindings, ...rounded.bindings], groups)];
};

/** An invocation has a unit of 32: few tokens have few units, and small workgroups spread them. */
const ROUNDING_WG = 32;

export const lowerSigmoidMul: LowerNode = (node, { dims, range }) => {
  const { T, F, M } = scalarsOf(node, dims);
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(node.inputs.x!)],
    ["read", range(node.inputs.gate!)],
  ] as const;
  return [dispatch("sigmoid_mul", [sigmoidMulText], { WG, SHARE: F! / M! }, bindings, foldElements(T! * F!))];
};

export const lowerExpertsSum: LowerNode = (node, { dims, range }) => {
  const { T, U, E } = scalarsOf(node, dims);
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(node.inputs.x!)],
    ["read", range(node.inputs.weights!)],
  ] as const;
  return [dispatch("experts_sum", [expertsSumText], { WG, U: U!, E: E! }, bindings, foldElements(T! * E!))];
};

export const lowerRope: LowerNode = (node, { dims, range }) => {
  const { T, H, D, P } = scalarsOf(node, dims);
  const bindings = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(node.inputs.x!)],
    ["read", range(node.inputs.rotation!)],
  ] as const;
  return [dispatch("rope", [ropeText], { WG, H: H!, D: D!, P: P! }, bindings, foldElements(T! * H! * D!))];
};
