import { BackendError } from "../../errors.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import type { Dispatch, GpuCapabilities, LoweringContext } from "./dispatch.ts";
import { patterns } from "./fusions.ts";
import { lowerings } from "./lower.ts";
import { loneUnit, type Merge, mergedUnit } from "./merge.ts";
import { withNormMatmuls } from "./norm-matmul.ts";

/** Nodes that become dispatches together. */
export interface Unit {
  readonly nodes: readonly Node[];
  /** Values and others that it needs and makes; what passes between its own nodes is in neither, unless others read it too. */
  readonly reads: readonly Tensor[];
  readonly writes: readonly Tensor[];
  readonly lower: (context: LoweringContext) => readonly Dispatch[];
}

/** A group of nodes that a pattern has found. */
export interface Fusion {
  readonly nodes: readonly Node[];
  /** Values inside the group that are never written: only the group's nodes may read them. */
  readonly elided: readonly Tensor[];
  readonly lower: (context: LoweringContext) => readonly Dispatch[];
}

/** What a pattern may ask of the graph around a node. */
export interface Neighbourhood {
  readonly caps: GpuCapabilities;
  /** The node that makes a value, if it is of this split and of this op. */
  maker(tensor: Tensor, op: string): Node | undefined;
  /** The only reader of a value that nobody else wants, if it is of this op. */
  reader(tensor: Tensor, op: string): Node | undefined;
  /** The only node of this op that reads a state. */
  user(state: Tensor, op: string): Node | undefined;
}

/** Matmuls that run as one, and single ones whose weight is part of such. */
export interface Merged {
  readonly merges: readonly Merge[];
  readonly lone: ReadonlyMap<Node, Merge>;
}
const NOTHING_MERGED: Merged = { merges: [], lone: new Map() };

/** A node to a unit. */
export function unfused(nodes: readonly Node[]): readonly Unit[] {
  return nodes.map(single);
}

function single(node: Node): Unit {
  const lower = lowerings[node.op.name];
  if (!lower) throw new BackendError(`webgpu: no kernel for node "${node.name}" (${node.op.name})`);
  return {
    nodes: [node],
    reads: Object.values(node.inputs),
    writes: Object.values(node.outputs),
    lower: (context) => lower(node, context),
  };
}

/**
 * Units in the order in which they run, each at the place of its last node, merged matmuls at their first's.
 * Without `keep` nothing may vanish, so nothing is fused.
 */
export function fuse({ nodes, keep }: Split, caps: GpuCapabilities, { merges, lone }: Merged = NOTHING_MERGED): readonly Unit[] {
  const places = new Map<Node, Unit | undefined>([...lone].map(([node, merge]) => [node, loneUnit(merge, node)]));
  if (!keep) return nodes.map((node) => places.get(node) ?? single(node));
  const around = neighbourhood(nodes, keep, caps);
  for (const merge of merges) {
    const conv = convBehind(merge, nodes, around);
    merge.nodes.forEach((node, i) => void places.set(node, i === 0 ? mergedUnit(merge, conv) : undefined));
    if (conv) places.set(conv, undefined);
  }
  const groups = new Map<Node, Fusion>();
  for (const pattern of patterns) {
    for (const node of nodes) {
      const found = groups.has(node) ? undefined : pattern(node, around);
      if (!found || found.nodes.some((one) => groups.has(one) || places.has(one)) || !sound(found, nodes)) continue;
      for (const one of found.nodes) groups.set(one, found);
    }
  }
  const units = nodes.flatMap((node) => {
    if (places.has(node)) return places.get(node) ?? [];
    const fusion = groups.get(node);
    if (!fusion) return [single(node)];
    return lastOf(fusion) === node ? [unitOf(fusion)] : [];
  });
  return withNormMatmuls(units);
}

const lastOf = ({ nodes }: Fusion): Node => nodes.reduce((last, node) => (node.id > last.id ? node : last));

function unitOf({ nodes, elided, lower }: Fusion): Unit {
  const inner = new Set(elided.map((tensor) => tensor.storage));
  const made = new Set(nodes.flatMap((node) => Object.values(node.outputs).map((tensor) => tensor.storage)));
  const writes = [...made].filter((tensor) => !inner.has(tensor));
  const reads = nodes.flatMap((node) => Object.values(node.inputs)).filter((tensor) => !made.has(tensor.storage));
  return { nodes, reads, writes, lower };
}

/**
 * A group runs at the place of its last node. So nobody between may read what an earlier node of it makes, nor touch a state that it
 * writes or write a state that it reads.
 */
function sound(fusion: Fusion, nodes: readonly Node[]): boolean {
  const inside = new Set(fusion.nodes);
  const first = Math.min(...fusion.nodes.map((node) => node.id));
  const last = lastOf(fusion).id;
  const storages = (tensors: readonly Tensor[]) => tensors.map((tensor) => tensor.storage);
  const mutated = (node: Node) => node.op.mutates.map((argument) => node.inputs[argument]!.storage);
  const made = new Set(fusion.nodes.flatMap((node) => [...storages(Object.values(node.outputs)), ...mutated(node)]));
  const read = new Set(fusion.nodes.flatMap((node) => storages(Object.values(node.inputs))));
  return nodes.every((node) => {
    if (inside.has(node) || node.id < first || node.id > last) return true;
    return !storages(Object.values(node.inputs)).some((tensor) => made.has(tensor)) && !mutated(node).some((tensor) => read.has(tensor));
  });
}

/** The conv1d that alone reads one of a merge's outputs, if it can move to the merge's place: nobody between may touch its state. */
function convBehind(merge: Merge, nodes: readonly Node[], around: Neighbourhood): Node | undefined {
  const conv = merge.nodes.map(({ outputs }) => around.reader(outputs.out!, "conv1d")).find(Boolean);
  if (!conv || Object.values(conv.inputs).filter(({ kind }) => kind === "value").length > 1) return undefined;
  const between = nodes.slice(nodes.indexOf(merge.nodes[0]!), nodes.indexOf(conv));
  const state = conv.inputs.state!.storage;
  return between.some(({ inputs }) => Object.values(inputs).some(({ storage }) => storage === state)) ? undefined : conv;
}

function neighbourhood(nodes: readonly Node[], keep: ReadonlySet<Tensor>, caps: GpuCapabilities): Neighbourhood {
  const makers = new Map<Tensor, Node>();
  const readers = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const { storage } of Object.values(node.outputs)) makers.set(storage, node);
    for (const { storage } of Object.values(node.inputs)) readers.set(storage, [...(readers.get(storage) ?? []), node]);
  }
  const named = (node: Node | undefined, op: string) => (node?.op.name === op ? node : undefined);
  return {
    caps,
    maker: (tensor, op) => named(makers.get(tensor.storage), op),
    reader: (tensor, op) => {
      const all = readers.get(tensor.storage) ?? [];
      return all.length === 1 && !keep.has(tensor.storage) ? named(all[0], op) : undefined;
    },
    user: (state, op) => {
      const all = (readers.get(state.storage) ?? []).filter((node) => node.op.name === op);
      return all.length === 1 ? all[0] : undefined;
    },
  };
}
