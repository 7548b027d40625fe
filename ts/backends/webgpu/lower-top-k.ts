import topKText from "../../../gpu/top_k.wgsl";
import topKLogits from "../../../gpu/top_k_logits.wgsl";
import topKParts from "../../../gpu/top_k_parts.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { Dispatch, LowerNode } from "./dispatch.ts";
import { dispatch, fold, WG } from "./kernel.ts";

/** Candidates that a workgroup sorts: 8 KiB of fast memory. */
const PART = 1024;
/** Each dispatch must leave at most half of its candidates. */
export const MAX_TOP_K = PART / 2;

/** A dispatch leaves k of every 1024 candidates: 248,320 logits and k = 64 take three. */
export const lowerTopK: LowerNode = (node, { dims, range, scratch }) => {
  const { O, V, k } = scalarsOf(node, dims);
  const dispatches: Dispatch[] = [];
  let from = [range(node.inputs.logits!)];
  let count = V!;
  for (;;) {
    const parts = Math.ceil(count / PART);
    const { values, ids } = node.outputs;
    const own = (name: string) => scratch(`top_k ${name} ${dispatches.length}`, 4 * O! * parts * k!); // [O, parts, k]
    const to = parts === 1 ? [range(values!), range(ids!)] : [own("values"), own("ids")];
    const bindings = [...to.map((one) => ["read_write", one] as const), ...from.map((one) => ["read", one] as const)];
    const file = dispatches.length === 0 ? topKLogits : topKParts;
    dispatches.push(dispatch("top_k", [file, topKText], { WG, PART, K: k!, COUNT: count }, bindings, fold(O! * parts)));
    if (parts === 1) return dispatches;
    from = to;
    count = parts * k!;
  }
};
