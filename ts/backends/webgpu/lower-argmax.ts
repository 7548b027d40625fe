import argmaxText from "../../../gpu/argmax.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { LowerNode } from "./dispatch.ts";
import { dispatch, fold } from "./kernel.ts";

export const lowerArgmax: LowerNode = (node, { dims, range }) => {
  const { O, V } = scalarsOf(node, dims);
  const bindings = [
    ["read_write", range(node.outputs.ids!)],
    ["read", range(node.inputs.logits!)],
    ["read_write", range(node.inputs.next!)],
  ] as const;
  // A power of two for the halving, and no more threads than logits: each begins with one of its own.
  const WG = Math.min(256, 2 ** Math.floor(Math.log2(V!)));
  return [dispatch("argmax", [argmaxText], { WG, V: V! }, bindings, fold(O!))];
};
