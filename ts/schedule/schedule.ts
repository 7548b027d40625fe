import { CapabilityError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Graph } from "../graph/graph.ts";
import { scalarsOf } from "../graph/op.ts";
import type { Dims, Node, Tensor } from "../graph/tensor.ts";
import { assign } from "./assign.ts";
import { type Life, type Placed, place } from "./place.ts";
import type { PlacementProblem } from "./problem.ts";

/** A backend as the scheduler sees it. */
export interface Target {
  readonly name: string;
  readonly supports: (node: Node) => boolean;
  readonly costs: TargetCosts;
  /** Targets of one processor are banks of its memory: between them values are copied, and nobody waits. */
  readonly processor: string;
  /** The backend finds memory of its own for values that stay within a split. */
  readonly placesValues: boolean;
  /** Of values in its buffers, in bytes. */
  readonly alignment: number;
}

/** Rough speeds: only their order of magnitude matters, as most nodes are pinned by their weights. */
export interface TargetCosts {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of starting one kernel. */
  readonly nodeSeconds: number;
  /** Of starting a split there: a submit, or the wait until another device has read back what it made. */
  readonly switchSeconds: number;
  /** Of bringing one value there, besides its bytes. */
  readonly moveSeconds: number;
  readonly moveBytesPerSecond: number;
}

/** Nodes in a row on one target, and the values that have to be brought there first. */
export interface ScheduledSplit {
  readonly target: number;
  readonly nodes: readonly Node[];
  /** Values made on another target that this split reads and that are not there yet. */
  readonly crossings: readonly Crossing[];
  /** Values that somebody outside the split reads. */
  readonly keep: ReadonlySet<Tensor>;
}

export interface Crossing {
  readonly tensor: Tensor;
  readonly from: number;
}

export interface Schedule {
  readonly splits: readonly ScheduledSplit[];
  /** Seconds of one run by the cost model, for comparing placements and nothing else. */
  readonly cost: number;
  /** Where values lie on each target. */
  readonly placed: readonly Placed[];
}

/** Where weights and states live: the targets on which a node may read this tensor. */
export type Pins = (tensor: Tensor) => readonly number[];

/**
 * Decides which node runs where: assign (the cheapest placement within the budget), split, place. Costs are those of decoding one token,
 * prefill runs on the same placement. Throws SplitBudgetError, and CapabilityError for a node that can run nowhere.
 */
export function schedule(graph: Graph, targets: readonly Target[], pins: Pins, max: Dims, maxSplits?: number): Schedule {
  const problem = makeProblem(graph, targets, pins);
  const stuck = problem.nodes.findIndex(({ cost }) => cost.every((seconds) => seconds === Number.POSITIVE_INFINITY));
  if (stuck >= 0) throw stuckError(graph.nodes[stuck]!, targets, pins);
  const { backendOf, cost } = assign(problem, maxSplits);
  const splits = makeSplits(graph, backendOf);
  const placed = targets.map((target, t) => place(livesOn(graph, splits, backendOf, t, target, max), target.alignment));
  return { splits, cost, placed };
}

function stuckError({ name, op, inputs }: Node, targets: readonly Target[], pins: Pins): CapabilityError {
  const pinned = Object.values(inputs).filter(isPinned);
  const homes = pinned.map((tensor) => {
    const places = pins(tensor).map((t) => targets[t]!.name);
    return `"${tensor.name}" lies on ${places.join(" and ")}`;
  });
  const why =
    homes.length > 0
      ? `${homes.join(", ")}: place it where the op has a kernel (gpuLayers, tensorOverrides)`
      : "no backend has a kernel for it with these shapes";
  return new CapabilityError(`node "${name}" (${op.name}) can run nowhere: ${why}`);
}

const isPinned = ({ kind }: Tensor) => kind === "weight" || kind === "state";

/** Of going to another bank of the same processor, or bringing a token's value there. */
const BANK_SECONDS = 2e-6;

/** One token, and its logits. */
const DECODE: Dims = { T: 1, O: 1 };

function makeProblem(graph: Graph, targets: readonly Target[], pins: Pins): PlacementProblem {
  const near = (from: number, to: number) => targets[from]?.processor === targets[to]!.processor;
  const ids = new Map<Tensor, number>();
  const tensors: { bytes: number }[] = [];
  const id = ({ storage }: Tensor) => {
    if (!ids.has(storage)) {
      ids.set(storage, tensors.length);
      tensors.push({ bytes: tensorBytes(storage, DECODE) });
    }
    return ids.get(storage)!;
  };
  const nodes = graph.nodes.map((node) => {
    const { flops, bytes } = node.op.cost(scalarsOf(node, DECODE));
    const pinned = Object.values(node.inputs).filter(isPinned);
    const cost = targets.map(({ supports, costs }, t) => {
      if (!supports(node) || pinned.some((tensor) => !pins(tensor).includes(t))) return Number.POSITIVE_INFINITY;
      return costs.nodeSeconds + flops / costs.flopsPerSecond + bytes / costs.bytesPerSecond;
    });
    const reads = Object.values(node.inputs).filter(({ kind }) => kind === "value");
    return { cost, reads: reads.map(id), makes: Object.values(node.outputs).map(id) };
  });
  return {
    ...{ backends: targets.length, nodes, tensors },
    switchCost: (from, to) => (near(from, to) ? BANK_SECONDS : targets[to]!.costs.switchSeconds),
    moveCost: (bytes, from, to) =>
      near(from, to) ? BANK_SECONDS : targets[to]!.costs.moveSeconds + bytes / targets[to]!.costs.moveBytesPerSecond,
  };
}

/** Maximal runs on one target, with what must cross before each. */
function makeSplits(graph: Graph, backendOf: readonly number[]): ScheduledSplit[] {
  const home = new Map<Tensor, { target: number; split: number }>();
  const there = new Map<Tensor, Set<number>>();
  const splits: { target: number; nodes: Node[]; crossings: Crossing[]; keep: Set<Tensor> }[] = [];
  graph.nodes.forEach((node, i) => {
    const target = backendOf[i]!;
    if (i === 0 || target !== backendOf[i - 1]) splits.push({ target, nodes: [], crossings: [], keep: new Set() });
    const split = splits.at(-1)!;
    split.nodes.push(node);
    for (const { storage } of Object.values(node.inputs)) {
      const made = home.get(storage);
      if (!made) continue;
      if (made.split !== splits.length - 1) splits[made.split]!.keep.add(storage);
      if (there.get(storage)!.has(target)) continue;
      there.get(storage)!.add(target);
      split.crossings.push({ tensor: storage, from: made.target });
    }
    for (const { storage } of Object.values(node.outputs)) {
      home.set(storage, { target, split: splits.length - 1 });
      there.set(storage, new Set([target]));
    }
  });
  for (const { storage } of graph.outputs.values()) splits[home.get(storage)!.split]!.keep.add(storage);
  return splits;
}

/** The values that need memory on a target, in steps of nodes: those made there, and those brought there. */
function livesOn(
  graph: Graph,
  splits: readonly ScheduledSplit[],
  backendOf: readonly number[],
  target: number,
  { placesValues }: Target,
  max: Dims,
): Life[] {
  const lives = new Map<Tensor, { first: number; last: number }>();
  const kept = new Set(splits.flatMap((split) => [...split.keep]));
  const outputs = new Set([...graph.outputs.values()].map(({ storage }) => storage));
  let step = 0;
  for (const split of splits) {
    const here = split.target === target;
    for (const { tensor, from } of split.crossings) {
      if (here) lives.set(tensor, { first: step, last: step });
      const life = from === target ? lives.get(tensor) : undefined;
      if (life) life.last = step; // it is read for the crossing
    }
    for (const node of split.nodes) {
      if (backendOf[node.id] === target) {
        for (const { storage } of Object.values(node.outputs))
          if (!placesValues || kept.has(storage)) lives.set(storage, { first: step, last: step });
        for (const { storage } of Object.values(node.inputs)) {
          const life = lives.get(storage);
          // where a backend fuses nodes it may read a value as late as its split's end
          if (life) life.last = placesValues ? step + split.nodes.length : step;
        }
      }
      step++;
    }
  }
  return [...lives].map(([tensor, { first, last }]) => {
    const until = outputs.has(tensor) ? step : last;
    const from = placesValues ? splitStart(splits, first) : first; // … and write it as early as its split's begin
    return { tensor, bytes: tensorBytes(tensor, max), first: from, last: until };
  });
}

function splitStart(splits: readonly ScheduledSplit[], step: number): number {
  let start = 0;
  for (const { nodes } of splits) {
    if (step < start + nodes.length) return start;
    start += nodes.length;
  }
  return step;
}
