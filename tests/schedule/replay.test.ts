import { describe, expect, it } from "vitest";
import { targetOf } from "../../ts/engine/machine.ts";
import { CapabilityError, SplitBudgetError } from "../../ts/errors.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import { Graph, reshape } from "../../ts/graph/graph.ts";
import { add, getRows, matmul, mul, rmsNorm } from "../../ts/graph/ops/index.ts";
import type { Dims, Node, Tensor } from "../../ts/graph/tensor.ts";
import { type Schedule, schedule, type Target } from "../../ts/schedule/schedule.ts";
import { random } from "../conformance/weights.ts";

const MAX: Dims = { T: 5, O: 3 };
const E = 24;

interface Problem {
  readonly graph: Graph;
  readonly targets: readonly Target[];
  readonly pins: (tensor: Tensor) => readonly number[];
  readonly maxSplits: number | undefined;
}

/** Values of several sizes that are read once, often, late or never, also through views, on two or three targets. */
function randomProblem(next: () => number): Problem {
  const whole = (n: number) => Math.floor(next() * n);
  const graph = new Graph();
  const rows = graph.input("outputs", "I32", ["O"]);
  const wide: Tensor[] = [graph.input("x", "F32", ["T", E])];
  const narrow: Tensor[] = [];
  const values: Tensor[] = [];
  const any = () => (next() < 0.6 ? wide.at(-1 - whole(Math.min(3, wide.length))) : wide[whole(wide.length)])!;
  const homes = new Map<string, readonly number[]>();
  const count = 2 + whole(2);
  const weight = (i: number, shape: readonly number[]) => {
    const everywhere = next() < 0.15;
    homes.set(`w-${i}`, everywhere ? Array.from({ length: count }, (_, t) => t) : [whole(count)]);
    return graph.weight(`w-${i}`, "F32", shape);
  };
  const length = 1 + whole(count === 2 ? 30 : 18); // where most nodes may run anywhere, an exact search has many states
  for (let i = 0; i < length; i++) {
    const kind = whole(6);
    if (kind === 5) narrow.push(getRows({ w: any(), ids: rows }, {}, `v-${i}`));
    else if (kind === 4)
      wide.push(reshape(mul({ x: reshape(any(), ["T", 4, 6]), y: reshape(any(), ["T", 4, 6]) }, {}, `v-${i}`), ["T", E]));
    else if (kind === 3) wide.push(rmsNorm({ x: any(), weight: weight(i, [E]) }, { eps: 1e-6 }, `v-${i}`));
    else if (kind === 2) wide.push(matmul({ x: any(), w: weight(i, [E, E]) }, {}, `v-${i}`));
    else wide.push(add({ x: any(), y: any() }, {}, `v-${i}`));
    values.push((kind === 5 ? narrow : wide).at(-1)!);
  }
  for (const value of values) if (next() < 0.1) graph.output(value);
  const targets = Array.from({ length: count }, (_, t): Target => {
    const target = targetOf({ name: t === 0 ? "wasm" : "webgpu", supports: (node) => node.id % 7 !== t || node.op.name !== "add" });
    const costs = { ...target.costs, nodeSeconds: next() * 1e-4, switchSeconds: next() * 1e-4, moveSeconds: next() * 1e-4 };
    return { ...target, costs, placesValues: next() < 0.5, alignment: [4, 64, 256][whole(3)]! };
  });
  return { graph, targets, pins: ({ name }) => homes.get(name)!, maxSplits: next() < 0.5 ? undefined : 1 + whole(8) };
}

/** The memory of a target, in pieces of four bytes: whose value stands there. */
class Memory {
  readonly #owners: (Tensor | undefined)[] = [];
  readonly #placed: Schedule["placed"][number];

  constructor(placed: Schedule["placed"][number]) {
    this.#placed = placed;
  }
  has(tensor: Tensor): boolean {
    return this.#placed.offsets.has(tensor);
  }
  write(tensor: Tensor): void {
    for (const piece of this.#pieces(tensor)) this.#owners[piece] = tensor;
  }
  expectWhole(tensor: Tensor, when: string): void {
    for (const piece of this.#pieces(tensor)) {
      if (this.#owners[piece] !== tensor) expect.fail(`${tensor.name} is gone ${when}: ${this.#owners[piece]?.name ?? "nothing"} is there`);
    }
  }
  #pieces(tensor: Tensor): number[] {
    const offset = this.#placed.offsets.get(tensor);
    if (offset === undefined) throw new Error(`${tensor.name} has no place`);
    if (offset + tensorBytes(tensor, MAX) > this.#placed.bytes) throw new Error(`${tensor.name} reaches beyond the buffer`);
    return Array.from({ length: tensorBytes(tensor, MAX) / 4 }, (_, i) => offset / 4 + i);
  }
}

const valuesOf = (tensors: Readonly<Record<string, Tensor>>) =>
  Object.values(tensors)
    .filter(({ kind }) => kind === "value")
    .map(({ storage }) => storage);

/** Runs a schedule on memories that know whose bytes are whose: what is read must have been made, brought here, and not overwritten. */
function replay({ graph, targets }: Problem, { splits, placed }: Schedule): void {
  const memories = placed.map((one) => new Memory(one));
  const home = new Map<Tensor, number>();
  for (const [s, { target, nodes, crossings, keep }] of splits.entries()) {
    const memory = memories[target]!;
    const own = new Set(nodes.flatMap((node) => valuesOf(node.outputs)));
    for (const { tensor, from } of crossings) {
      expect(home.get(tensor), `${tensor.name} crosses from where it was made`).toBe(from);
      memories[from]!.expectWhole(tensor, `when split ${s} wants it`);
      memory.write(tensor);
    }
    const free = targets[target]!.placesValues; // writes at the split's begin, reads at its end, keeps what it need not show where it likes
    if (free) for (const tensor of own) if (keep.has(tensor)) memory.write(tensor);
    for (const node of nodes) {
      for (const tensor of valuesOf(node.inputs)) {
        if (!home.has(tensor)) expect.fail(`${tensor.name} is read by node ${node.id} before it is made`);
        if (!free || keep.has(tensor) || !own.has(tensor)) memory.expectWhole(tensor, `at node ${node.id}`);
      }
      for (const tensor of valuesOf(node.outputs)) {
        home.set(tensor, target);
        if (!free) memory.write(tensor);
        else if (!keep.has(tensor) && memory.has(tensor)) expect.fail(`${tensor.name} has memory, but its backend places it`);
      }
    }
    const foreign = nodes.flatMap((node) => valuesOf(node.inputs)).filter((tensor) => !own.has(tensor));
    if (free) for (const tensor of [...foreign, ...keep]) memory.expectWhole(tensor, `at the end of split ${s}`);
  }
  for (const { storage } of graph.outputs.values()) memories[home.get(storage)!]!.expectWhole(storage, "after the run");
}

function mayRun({ pins }: Problem, node: Node, target: Target, t: number): boolean {
  const weights = Object.values(node.inputs).filter(({ kind }) => kind === "weight");
  return target.supports(node) && weights.every((weight) => pins(weight).includes(t));
}

/** Crossings and keep sets as their definitions say, from nothing but who runs where. */
function expectDefinition(problem: Problem, { splits }: Schedule): void {
  const { graph, targets, maxSplits } = problem;
  expect(splits.flatMap(({ nodes }) => nodes.map(({ id }) => id))).toEqual(graph.nodes.map(({ id }) => id));
  expect(splits.length).toBeLessThanOrEqual(maxSplits ?? Number.POSITIVE_INFINITY);
  const splitOf = new Map<Tensor, number>();
  splits.forEach(({ target, nodes }, s) => {
    if (s > 0) expect(target).not.toBe(splits[s - 1]!.target);
    for (const node of nodes) {
      if (!mayRun(problem, node, targets[target]!, target)) expect.fail(`node ${node.id} cannot run on ${target}`);
      for (const tensor of valuesOf(node.outputs)) splitOf.set(tensor, s);
    }
  });
  const wantedKeep = splits.map(() => new Set<Tensor>());
  const wantedCrossings = splits.map(() => new Map<Tensor, number>());
  const brought = targets.map(() => new Set<Tensor>());
  splits.forEach(({ target, nodes }, s) => {
    for (const tensor of nodes.flatMap((node) => valuesOf(node.inputs))) {
      const made = splitOf.get(tensor)!;
      if (made !== s) wantedKeep[made]!.add(tensor);
      if (splits[made]!.target === target || brought[target]!.has(tensor)) continue;
      brought[target]!.add(tensor);
      wantedCrossings[s]!.set(tensor, splits[made]!.target);
    }
  });
  for (const { storage } of graph.outputs.values()) wantedKeep[splitOf.get(storage)!]!.add(storage);
  const names = (tensors: Iterable<Tensor>) => [...tensors].map(({ name }) => name).sort();
  splits.forEach(({ crossings, keep }, s) => {
    expect(names(keep)).toEqual(names(wantedKeep[s]!));
    expect(crossings).toHaveLength(wantedCrossings[s]!.size);
    for (const { tensor, from } of crossings) expect(from).toBe(wantedCrossings[s]!.get(tensor));
  });
}

describe("schedule", () => {
  it("is right by its definitions on 1,000 random graphs", () => {
    const next = random(11);
    let refused = 0;
    let splits = 0;
    let crossings = 0;
    for (let n = 0; n < 1000; n++) {
      const problem = randomProblem(next);
      let result: Schedule;
      try {
        result = schedule(problem.graph, problem.targets, problem.pins, MAX, problem.maxSplits);
      } catch (error) {
        const stuck = problem.graph.nodes.some((node) => !problem.targets.some((target, t) => mayRun(problem, node, target, t)));
        expect(error).toBeInstanceOf(stuck ? CapabilityError : SplitBudgetError);
        refused++;
        continue;
      }
      expectDefinition(problem, result);
      replay(problem, result);
      splits += result.splits.length;
      crossings += result.splits.reduce((sum, split) => sum + split.crossings.length, 0);
    }
    console.log(`${1000 - refused} graphs scheduled with ${splits} splits and ${crossings} crossings, ${refused} refused`);
    expect(refused).toBeLessThan(600);
    expect(crossings).toBeGreaterThan(1000);
  });

  it("names a node that can run nowhere", () => {
    const graph = new Graph();
    rmsNorm({ x: graph.input("x", "F32", ["T", E]), weight: graph.weight("scale", "F32", [E]) }, { eps: 1e-6 }, "norm");
    const target = targetOf({ name: "webgpu", supports: () => false });
    expect(() => schedule(graph, [target], () => [0], MAX)).toThrow(
      'node "norm" (rms_norm) can run nowhere: "scale" lies on webgpu: place it where',
    );
  });
});
