import copyText from "../../../gpu/copy.wgsl";
import matmulStore from "../../../gpu/matmul_store.wgsl";
import matmulStoreParts from "../../../gpu/matmul_store_parts.wgsl";
import type { Format } from "../../graph/formats.ts";
import { type Dim, elements, type Node, ownStorage, type Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import { withConv } from "./conv-store.ts";
import type { Dispatch, LoweringContext } from "./dispatch.ts";
import type { Unit } from "./fuse.ts";
import { dispatch, foldElements, WG } from "./kernel.ts";
import { lowerMatmul, lowerMatmulExperts } from "./matmul.ts";
import { packedBytes, ROW_ALIGN } from "./matmul-packing.ts";

/**
 * Matmuls that read the same activations through weights of the same format are one dispatch: their weights are packed as one matrix.
 * A delta net's qkv, z, b, a; an attention's q, gate, k, v; the router and the shared expert's gate; gate and up of every SwiGLU.
 */
export interface Merge {
  readonly nodes: readonly Node[];
  /** Rows of each weight (experts: of each expert's), and the first of them in the merged one. */
  readonly widths: readonly number[];
  readonly firsts: readonly number[];
  /** The matmul over all of them, its weight and its output: in no graph. */
  readonly whole: Node;
}

/** matmul_store_parts.wgsl knows so many. */
const MAX_PARTS = 6;

/** Which matmuls of a split can be merged. Their outputs must be the plan's own: with no `keep` there are none. */
export function mergeable({ nodes, keep, max }: Split, limits: GPUSupportedLimits): readonly Merge[] {
  if (!keep) return [];
  const users = new Map<Tensor, number>();
  for (const { w } of nodes.map(({ inputs }) => inputs)) if (w) users.set(w.storage, (users.get(w.storage) ?? 0) + 1);
  const groups = new Map<string, Node[]>();
  const ids = new Map<Tensor, number>();
  const id = (tensor: Tensor | undefined) => {
    if (!tensor) return -1;
    if (!ids.has(tensor.storage)) ids.set(tensor.storage, ids.size);
    return ids.get(tensor.storage)!;
  };
  for (const node of nodes) {
    const { x, w, ids: chosen } = node.inputs;
    if (!/^matmul(_experts)?$/.test(node.op.name) || w!.kind !== "weight" || w!.storage !== w || users.get(w) !== 1) continue;
    if (keep.has(node.outputs.out!.storage)) continue;
    if (chosen && (w!.shape.at(-2) as number) % ROW_ALIGN !== 0) continue; // each expert's rows are packed at a multiple
    const key = [node.op.name, id(x), x!.shape.join(), id(chosen), w!.type, w!.shape.at(-1), chosen ? w!.shape.join() : ""].join("|");
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const merges = [...groups.values()].filter((group) => group.length > 1 && group.length <= MAX_PARTS).map(mergeOf);
  return merges.filter(({ whole }) => {
    const out = 4 * elements(whole.outputs.out!.shape, max);
    return packedBytesOf(whole.inputs.w!) <= limits.maxBufferSize && out <= limits.maxStorageBufferBindingSize;
  });
}

export function mergeOf(nodes: readonly Node[]): Merge {
  const widths = nodes.map(({ inputs }) => inputs.w!.shape.at(-2) as number);
  const firsts: number[] = [];
  let end = 0;
  for (const width of widths) {
    firsts.push(Math.ceil(end / ROW_ALIGN) * ROW_ALIGN);
    end = firsts.at(-1)! + width;
  }
  const [first] = nodes as [Node];
  const { w, ...others } = first.inputs as { w: Tensor };
  const { graph } = w;
  const name = nodes.map((node) => node.name).join(" + ");
  const tensor = (kind: "weight" | "value", type: Tensor["type"], shape: readonly Dim[]) => ownStorage({ name, kind, type, shape, graph });
  const weight = tensor("weight", w.type, [...w.shape.slice(0, -2), end, w.shape.at(-1)!]);
  const out = tensor("value", "F32", [...first.outputs.out!.shape.slice(0, -1), Math.ceil(end / ROW_ALIGN) * ROW_ALIGN]);
  const letters = new Map(first.letters).set("N", [end]);
  return { nodes, widths, firsts, whole: { ...first, name, inputs: { ...others, w: weight }, outputs: { out }, letters } };
}

/** Bytes of a weight's packed form. */
export function packedBytesOf({ type, shape }: Tensor): number {
  const K = shape.at(-1) as number;
  return packedBytes(type as Format, elements(shape, { T: 1, O: 1 }) / K, K);
}

/** A part of a merged output: where the memory of a node's output really is. */
export interface Part {
  readonly whole: Tensor;
  /** Column of the whole at which it begins. */
  readonly first: number;
}

export function partsOf({ nodes, firsts, whole }: Merge): [Tensor, Part][] {
  return nodes.map(({ outputs }, i) => [outputs.out!.storage, { whole: whole.outputs.out!, first: firsts[i]! }]);
}

/** All matmuls of a merge, at the place of the first: nothing but x must be there. With the conv1d that alone reads one of them, if any. */
export function mergedUnit(merge: Merge, conv?: Node): Unit {
  const { nodes, whole } = merge;
  const { w: _, ...reads } = whole.inputs;
  const unit = {
    nodes,
    reads: Object.values(reads),
    writes: [whole.outputs.out!],
    lower: (context: LoweringContext) => lowerMerged(merge, context),
  };
  if (!conv) return unit;
  const first = merge.firsts[nodes.findIndex(({ outputs }) => outputs.out!.storage === conv.inputs.x!.storage)]!;
  return {
    nodes: [...nodes, conv],
    reads: [...unit.reads, ...Object.values(conv.inputs)],
    writes: [...unit.writes, conv.outputs.out!],
    lower: (context) => withConv(unit.lower(context), conv, first, context),
  };
}

/** A merge of another plan's nodes as one node of this plan must run it: all of it, over this node's x. */
export function adopt(merge: Merge, node: Node): Merge {
  const { w: _, ...inputs } = node.inputs;
  const { whole } = merge;
  const out = ownStorage({ ...whole.outputs.out!, name: `merged for ${node.name}` });
  const letters = new Map(node.letters).set("N", whole.letters.get("N")!);
  return { ...merge, whole: { ...node, inputs: { ...inputs, w: whole.inputs.w! }, outputs: { out }, letters } };
}

/** One matmul whose weight was merged for a plan that has all of them: it does them all, and copies its own out of them. */
export function loneUnit(merge: Merge, node: Node): Unit {
  const out = node.outputs.out!;
  const i = merge.nodes.findIndex(({ inputs }) => inputs.w!.name === node.inputs.w!.name);
  const { w: _, ...inputs } = node.inputs;
  const lower = (context: LoweringContext) => {
    const to = context.range(out);
    const all = context.range(merge.whole.outputs.out!);
    const rows = to.bytes / 4 / merge.widths[i]!;
    const from = { ...all, offset: all.offset + 4 * rows * merge.firsts[i]!, bytes: to.bytes };
    const bindings = [
      ["read_write", to],
      ["read", from],
    ] as const;
    return [...lowerMerged(merge, context), dispatch("copy", [copyText], { WG }, bindings, foldElements(to.bytes / 4))];
  };
  return { nodes: [node], reads: Object.values(inputs), writes: [out, merge.whole.outputs.out!], lower };
}

function lowerMerged({ widths, firsts, whole }: Merge, context: LoweringContext): readonly Dispatch[] {
  const OUT_STRIDE = whole.outputs.out!.shape.at(-1) as number;
  const parts: Record<string, number> = { OUT_STRIDE };
  for (let i = 0; i < MAX_PARTS; i++) {
    parts[`PART_${i}`] = firsts[i] ?? OUT_STRIDE;
    parts[`WIDTH_${i}`] = widths[i] ?? 0;
  }
  const lower = whole.op.name === "matmul" ? lowerMatmul : lowerMatmulExperts;
  return lower(whole, context).map((one) => {
    if (!one.kernel.files.includes(matmulStore)) return one; // what prepares activations
    const files = one.kernel.files.map((file) => (file === matmulStore ? matmulStoreParts : file));
    const kernel = { ...one.kernel, name: `merged ${one.kernel.name}`, files, constants: { ...one.kernel.constants, ...parts } };
    return { ...one, kernel };
  });
}
