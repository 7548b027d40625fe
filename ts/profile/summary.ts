import type { Step, Timeline } from "../backends/backend.ts";
import { type Format, formatByName } from "../graph/formats.ts";
import { scalarsOf } from "../graph/op.ts";
import type { Cost, Dims, Node } from "../graph/tensor.ts";
import { type KindOf, type LayerKind, splitName } from "./layer-kind.ts";
import type { Phase, Run } from "./profiler.ts";

/** The runs of one phase together. All times in milliseconds; those of CPU threads are means over the threads. */
export interface PhaseProfile {
  readonly phase: Phase;
  readonly runs: number;
  readonly tokens: number;
  /** From the first lap of each run to its last, and `between`. Without a GPU it is the sum of all parts but `gpu` and `gpuGaps`. */
  readonly wall: number;
  /** In the CPU's kernels. */
  readonly ops: number;
  /** At the CPU's barriers, for other threads. */
  readonly barriers: number;
  /** Of threads that had not woken up when the run began. */
  readonly idle: number;
  /** JavaScript: inputs, command encoding, bookkeeping. */
  readonly js: number;
  /** Bringing values from one backend to another, waiting for them included. */
  readonly crossing: number;
  /** Reading logits; where a GPU makes them, waiting for it included. */
  readonly read: number;
  /** Between one run and the next: sampling, text, the caller; where tokens are begun ahead on a GPU, waiting for it. */
  readonly between: number;
  /** On the GPU, which runs beside all of the above: its dispatches, and the gaps between them. */
  readonly gpu: number;
  readonly gpuGaps: number;
  /** The largest first. */
  readonly rows: readonly ProfileRow[];
}

/** One kernel in one place of the layers, all layers together. */
export interface ProfileRow {
  readonly backend: string;
  readonly kernel: string;
  readonly layerKind: LayerKind;
  /** The node's name without its layer. */
  readonly node: string;
  /** Of the weights, for a matmul. */
  readonly format: string | undefined;
  readonly calls: number;
  /** Milliseconds in the kernel, mean over threads. */
  readonly time: number;
  /** Milliseconds at the barrier that follows (GPU: the gap), mean over threads: what its threads' uneven ends cost. */
  readonly wait: number;
  /** By the op's declared cost, weights counted in their format. */
  readonly flops: number;
  readonly bytes: number;
}

/** Adds up the runs of one phase. */
export function summarise(phase: Phase, runs: readonly Run[], kindOf: KindOf): PhaseProfile {
  const mine = runs.filter((run) => run.phase === phase);
  const cpu = { ops: 0, barriers: 0, idle: 0, submitted: 0 };
  const gpu = { ops: 0, barriers: 0, idle: 0, submitted: 0 };
  const rows = new Map<string, Mutable<ProfileRow>>();
  for (const timeline of mine.flatMap(({ timelines }) => timelines)) {
    const into = onGpu(timeline) ? gpu : cpu;
    addSteps(timeline, kindOf, rows);
    const { time, wait, idle, extent } = threadTimes(timeline);
    into.ops += time;
    into.barriers += wait;
    into.idle += idle;
    into.submitted += extent;
  }
  const lap = (kind: string) =>
    sum(mine.flatMap(({ laps }) => laps.filter((one) => one.kind === kind).map(({ begin, end }) => end - begin)));
  const inside = sum(mine.map(({ begin, end }) => end - begin));
  const between = sum(
    runs.map((run, i) => (i > 0 && run.phase === phase && runs[i - 1]!.phase === phase ? run.begin - runs[i - 1]!.end : 0)),
  );
  const [crossing, read] = [lap("crossing"), lap("read")];
  return {
    ...{ phase, runs: mine.length, tokens: sum(mine.map(({ tokens }) => tokens)), wall: inside + between },
    ...{ ops: cpu.ops, barriers: cpu.barriers, idle: cpu.idle, js: inside - crossing - read - cpu.submitted, crossing, read, between },
    ...{ gpu: gpu.ops, gpuGaps: gpu.barriers },
    rows: [...rows.values()].sort((a, b) => b.time + b.wait - a.time - a.wait),
  };
}

/** Whether it tells of a GPU, which works beside the engine, not of CPU threads, which work while it waits. */
export function onGpu({ backend }: Timeline): boolean {
  return backend === "webgpu";
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Sums over the threads of a run, divided by their number: time + wait + idle = extent, from the first thread's first step to the run's end. */
function threadTimes({ threads, steps, times }: Timeline): { time: number; wait: number; idle: number; extent: number } {
  const rows = steps.length + 1;
  const begin = Math.min(...Array.from({ length: threads }, (_, thread) => times[2 * rows * thread]!));
  const extent = times[2 * rows - 1]! - begin;
  let [time, wait, idle] = [0, 0, 0];
  for (let thread = 0; thread < threads; thread++) {
    const at = 2 * rows * thread;
    idle += times[at]! - begin;
    for (let i = 0; i < rows; i++) {
      wait += times[at + 2 * i + 1]! - times[at + 2 * i]!;
      if (i > 0) time += times[at + 2 * i]! - times[at + 2 * i - 1]!;
    }
  }
  return { time: time / threads, wait: wait / threads, idle: idle / threads, extent };
}

/** Adds each step to its row. */
function addSteps({ backend, dims, steps, threads, times }: Timeline, kindOf: KindOf, rows: Map<string, Mutable<ProfileRow>>): void {
  steps.forEach((step, i) => {
    const row = rowOf(backend, step, kindOf, rows);
    row.calls++;
    for (const node of step.nodes) {
      const cost = nodeCost(node, dims);
      row.flops += step.share * cost.flops;
      row.bytes += step.share * cost.bytes;
    }
    for (let thread = 0; thread < threads; thread++) {
      const at = 2 * ((steps.length + 1) * thread + i);
      row.time += (times[at + 2]! - times[at + 1]!) / threads;
      row.wait += (times[at + 3]! - times[at + 2]!) / threads;
    }
  });
}

function rowOf(backend: string, step: Step, kindOf: KindOf, rows: Map<string, Mutable<ProfileRow>>): Mutable<ProfileRow> {
  const first = step.nodes[0]!;
  const node = step.nodes.map(({ name }) => splitName(name).label).join(" + ");
  const layerKind = kindOf(first);
  const format = step.share > 0 && isMatmul(first) ? first.inputs.w!.type : undefined;
  const key = [backend, step.kernel, layerKind, node, format].join("|");
  const known = rows.get(key);
  if (known) return known;
  const row = { backend, kernel: step.kernel, layerKind, node, format, calls: 0, time: 0, wait: 0, flops: 0, bytes: 0 };
  rows.set(key, row);
  return row;
}

/** The op's declared cost, which counts a byte a weight, with the weights in their format. */
export function nodeCost(node: Node, dims: Dims): Cost {
  const s = scalarsOf(node, dims);
  const { flops, bytes } = node.op.cost(s);
  if (!isMatmul(node)) return { flops, bytes };
  const matrices = node.op.name === "matmul" ? 1 : Math.min(s.T! * s.U!, s.X!);
  const { blockBytes, blockSize } = formatByName(node.inputs.w!.type as Format);
  return { flops, bytes: bytes + matrices * s.N! * s.K! * (blockBytes / blockSize - 1) };
}

function isMatmul(node: Node): boolean {
  return node.op.name === "matmul" || node.op.name === "matmul_experts";
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
