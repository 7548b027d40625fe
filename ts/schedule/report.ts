import { tensorBytes } from "../graph/bytes.ts";
import type { Graph } from "../graph/graph.ts";
import { printGraph } from "../graph/print.ts";
import type { Dims, Tensor } from "../graph/tensor.ts";
import { type Life, place } from "./place.ts";
import type { Pins, Schedule, ScheduledSplit, Target } from "./schedule.ts";

/** A schedule in plain numbers and names: for printing, for JSON, for a picture. */
export interface ScheduleReport {
  readonly graphNodes: number;
  readonly graphSplits: number;
  readonly backends: readonly string[];
  /** The same splits serve both; what crosses grows with the tokens. */
  readonly prefill: RunReport;
  readonly decode: RunReport;
  /** What the scheduler compares placements by: rough, and no prediction. */
  readonly costModel: { readonly decodeSeconds: number };
  readonly splits: readonly SplitReport[];
  readonly crossings: readonly CrossingReport[];
  readonly memory: readonly MemoryReport[];
  /** Where each layer of the model begins. */
  readonly layers: readonly { readonly layer: number; readonly firstNode: number }[];
}

/** What crosses in a run of so many tokens. */
export interface RunReport {
  readonly tokens: number;
  /** Rows of logits. */
  readonly outputs: number;
  readonly crossings: number;
  readonly bytes: number;
}

/** Nodes in a row on one device. */
export interface SplitReport {
  readonly index: number;
  readonly backend: string;
  readonly nodes: number;
  readonly first: { readonly id: number; readonly name: string };
  readonly last: { readonly id: number; readonly name: string };
  /** First and last layer of the model; null where it has none. */
  readonly layers: readonly [number, number] | null;
}

/** A value that crosses between devices before a split. */
export interface CrossingReport {
  readonly tensor: string;
  readonly from: string;
  readonly to: string;
  readonly madeInSplit: number;
  readonly beforeSplit: number;
  readonly decodeBytes: number;
  readonly prefillBytes: number;
}

/** Bytes on one device, by what they are for. */
export interface MemoryReport {
  readonly backend: string;
  readonly weights: number;
  readonly kvCache: number;
  readonly recurrentState: number;
  /** Inputs and values. Where a backend places values itself, as if it fused no nodes: the most that it will want. */
  readonly compute: number;
  readonly sum: number;
}

/** What there is to say of a graph on targets. */
export interface Scheduled {
  readonly graph: Graph;
  readonly schedule: Schedule;
  readonly targets: readonly Target[];
  readonly pins: Pins;
  /** Extents of the largest run. */
  readonly max: Dims;
  /** States that are KV cache; the others are recurrent. */
  readonly kvCache: ReadonlySet<Tensor>;
}

/** One token. */
const DECODE: Dims = { T: 1, O: 1 };

export function reportSchedule(scheduled: Scheduled): ScheduleReport {
  const { graph, schedule, targets, max } = scheduled;
  const prefill = { T: max.T, O: 1 }; // of a prompt only the last token's logits are wanted
  const crossings = reportCrossings(scheduled, prefill);
  const sum = (pick: (crossing: CrossingReport) => number) => crossings.reduce((total, crossing) => total + pick(crossing), 0);
  const run = ({ T, O }: Dims, bytes: number): RunReport => ({ tokens: T, outputs: O, crossings: crossings.length, bytes });
  const layers = new Map<number, number>();
  for (const { id, name } of graph.nodes) {
    const layer = layerOf(name);
    if (layer !== undefined && !layers.has(layer)) layers.set(layer, id);
  }
  return {
    graphNodes: graph.nodes.length,
    graphSplits: schedule.splits.length,
    backends: targets.map(({ name }) => name),
    prefill: run(
      prefill,
      sum(({ prefillBytes }) => prefillBytes),
    ),
    decode: run(
      DECODE,
      sum(({ decodeBytes }) => decodeBytes),
    ),
    costModel: { decodeSeconds: schedule.cost },
    splits: schedule.splits.map((split, index) => reportSplit(split, index, targets)),
    crossings,
    memory: targets.map((_, t) => reportMemory(scheduled, t)),
    layers: [...layers].map(([layer, firstNode]) => ({ layer, firstNode })),
  };
}

/** Models name the nodes of layer 7 "…-7". */
function layerOf(name: string): number | undefined {
  const layer = /-(\d+)$/.exec(name)?.[1];
  return layer === undefined ? undefined : Number(layer);
}

function reportSplit({ target, nodes }: ScheduledSplit, index: number, targets: readonly Target[]): SplitReport {
  const [first, last] = [nodes[0]!, nodes.at(-1)!].map(({ id, name }) => ({ id, name }));
  const layers = nodes.map(({ name }) => layerOf(name)).filter((layer) => layer !== undefined);
  return {
    ...{ index, backend: targets[target]!.name, nodes: nodes.length, first: first!, last: last! },
    layers: layers.length > 0 ? [Math.min(...layers), Math.max(...layers)] : null,
  };
}

function reportCrossings({ schedule, targets }: Scheduled, prefill: Dims): CrossingReport[] {
  const madeIn = new Map<Tensor, number>();
  return schedule.splits.flatMap(({ nodes, crossings, target }, index) => {
    for (const { outputs } of nodes) for (const { storage } of Object.values(outputs)) madeIn.set(storage, index);
    return crossings.map(({ tensor, from }) => ({
      ...{ tensor: tensor.name, from: targets[from]!.name, to: targets[target]!.name },
      ...{ madeInSplit: madeIn.get(tensor)!, beforeSplit: index },
      ...{ decodeBytes: tensorBytes(tensor, DECODE), prefillBytes: tensorBytes(tensor, prefill) },
    }));
  });
}

function reportMemory({ graph, schedule, targets, pins, max, kvCache }: Scheduled, t: number): MemoryReport {
  const sum = (tensors: Iterable<Tensor>) => [...tensors].reduce((total, tensor) => total + tensorBytes(tensor, max), 0);
  const here = (tensors: Iterable<Tensor>) => [...tensors].filter((tensor) => pins(tensor).includes(t));
  const states = here(graph.states.values());
  const splits = schedule.splits.filter(({ target }) => target === t);
  const read = splits.flatMap(({ nodes }) => nodes.flatMap((node) => Object.values(node.inputs)));
  const inputs = new Set(read.filter(({ kind }) => kind === "input").map(({ storage }) => storage));
  const inner = targets[t]!.placesValues ? splits.map((split) => innerBytes(split, targets[t]!.alignment, max)) : [];
  const parts = {
    weights: sum(here(graph.weights.values())),
    kvCache: sum(states.filter((state) => kvCache.has(state))),
    recurrentState: sum(states.filter((state) => !kvCache.has(state))),
    compute: sum(inputs) + schedule.placed[t]!.bytes + Math.max(0, ...inner), // splits take turns in one arena
  };
  return { backend: targets[t]!.name, ...parts, sum: Object.values(parts).reduce((total, bytes) => total + bytes, 0) };
}

/** What the values that nobody outside a split reads take, placed node by node. */
function innerBytes({ nodes, keep }: ScheduledSplit, alignment: number, max: Dims): number {
  const lives = new Map<Tensor, Life>();
  nodes.forEach((node, i) => {
    for (const { storage } of Object.values(node.outputs)) {
      if (!keep.has(storage)) lives.set(storage, { tensor: storage, bytes: tensorBytes(storage, max), first: i, last: i });
    }
    for (const { storage } of Object.values(node.inputs)) {
      const life = lives.get(storage);
      if (life) lives.set(storage, { ...life, last: i });
    }
  });
  return place([...lives.values()], alignment).bytes;
}

/** The report for a person. `show` writes bytes. */
export function printSchedule(report: ScheduleReport, show: (bytes: number) => string): string {
  const { splits, crossings, memory, costModel } = report;
  const run = (name: string, { tokens, crossings: count, bytes }: RunReport) =>
    `  ${name} (T = ${tokens}): ${count} crossing${count === 1 ? "" : "s"}, ${show(bytes)}`;
  const sections = [
    [
      `graph nodes = ${report.graphNodes}, graph splits = ${report.graphSplits}`,
      ...[run("prefill", report.prefill), run("decode", report.decode)],
      `  cost model's estimate of a decoded token: ${(1000 * costModel.decodeSeconds).toFixed(2)} ms (rough: it only compares placements)`,
    ],
    [
      "Splits",
      ...columns(
        ["#", "device", "nodes", "first", "", "last"],
        splits.map(({ index, backend, nodes, first, last }) => [
          ...[String(index), backend, String(nodes), `${first.id} ${first.name}`, "…", `${last.id} ${last.name}`],
        ]),
        [0, 2],
      ),
    ],
    crossings.length === 0
      ? ["Crossings: none"]
      : [
          "Crossings",
          ...columns(
            ["before split", "tensor", "from", "", "to", "decode", "prefill"],
            crossings.map(({ beforeSplit, tensor, from, to, decodeBytes, prefillBytes }) => [
              ...[String(beforeSplit), tensor, from, "→", to, show(decodeBytes), show(prefillBytes)],
            ]),
            [0, 5, 6],
          ),
        ],
    [
      "Memory",
      ...columns(
        ["device", "weights", "KV cache", "recurrent state", "compute", "sum"],
        memory.map(({ backend, ...bytes }) => [
          backend,
          ...[bytes.weights, bytes.kvCache, bytes.recurrentState, bytes.compute, bytes.sum].map(show),
        ]),
        [1, 2, 3, 4, 5],
      ),
    ],
  ];
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Every node with its device, a line each. */
export function printNodes(graph: Graph, { splits }: Schedule, targets: readonly Target[]): string {
  const width = Math.max(...targets.map(({ name }) => name.length));
  const devices = splits.flatMap(({ target, nodes }, index) => nodes.map(() => `${targets[target]!.name.padEnd(width)} ${index}`));
  const wide = Math.max(...devices.map((device) => device.length));
  const lines = printGraph(graph).split("\n").slice(0, graph.nodes.length);
  return `${["Nodes, after their device and split", ...lines.map((line, i) => `  ${devices[i]!.padEnd(wide)} ${line}`)].join("\n")}\n`;
}

/** A table, indented by two; the columns `right` hold numbers. */
function columns(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, c) => Math.max(...all.map((row) => row[c]!.length)));
  const cell = (text: string, c: number) => (right.includes(c) ? text.padStart(widths[c]!) : text.padEnd(widths[c]!));
  return all.map((row) => `  ${row.map(cell).join("  ")}`.trimEnd());
}
