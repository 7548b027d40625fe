import type { Timeline } from "../backends/backend.ts";
import type { Profile, Run } from "./profiler.ts";
import { onGpu } from "./summary.ts";

/** One event of the Chrome trace format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. */
export interface TraceEvent {
  readonly name: string;
  /** X: from `ts` for `dur` microseconds; M: names a track. */
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  /** Microseconds since the first run's begin. */
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

/** Behind all CPU threads. */
const GPU_TRACK = 1000;

/**
 * A profile for chrome://tracing or https://ui.perfetto.dev, as `{ traceEvents }` in JSON: a track for each CPU thread, the first one with
 * the engine's JavaScript around it, and one for the GPU. The GPU's clock is shifted so that its first dispatch begins when it was submitted.
 */
export function chromeTrace(profile: Profile): string {
  const lines = [...traceEvents(profile)].map((event) => JSON.stringify(event));
  return `{"displayTimeUnit":"ms","traceEvents":[\n${lines.join(",\n")}\n]}\n`;
}

/** Track by track, in the order of time. */
export function* traceEvents({ runs, kindOf }: Profile): Generator<TraceEvent> {
  const start = runs[0]?.begin ?? 0;
  const timelines = runs.flatMap((run) => run.timelines);
  const threads = timelines.reduce((most, one) => Math.max(most, one.threads), 1);
  for (let thread = 0; thread < threads; thread++) {
    yield trackName(thread, thread === 0 ? "engine and CPU thread 0" : `CPU thread ${thread}`);
    for (const run of runs) {
      if (thread === 0) yield* engineEvents(run, start);
      for (const timeline of run.timelines)
        if (!onGpu(timeline) && thread < timeline.threads) yield* threadEvents(timeline, thread, thread, start, kindOf);
    }
  }
  const gpu = timelines.filter(onGpu);
  if (gpu.length > 0) yield trackName(GPU_TRACK, "GPU");
  for (const timeline of gpu) yield* threadEvents(timeline, 0, GPU_TRACK, start, kindOf);
}

function trackName(tid: number, name: string): TraceEvent {
  return { name: "thread_name", ph: "M", pid: 0, tid, args: { name } };
}

function span(name: string, cat: string, tid: number, begin: number, end: number, args?: TraceEvent["args"]): TraceEvent {
  const micro = (milliseconds: number) => Math.round(1e6 * milliseconds) / 1e3; // to the nanosecond: shorter lines
  return { name, cat, ph: "X", pid: 0, tid, ts: micro(begin), dur: Math.max(0, micro(end - begin)), ...(args ? { args } : {}) };
}

function* engineEvents({ phase, tokens, begin, end, laps }: Run, start: number): Generator<TraceEvent> {
  yield span(phase, "run", 0, begin - start, end - start, { tokens });
  for (const lap of laps) yield span(lap.kind, "engine", 0, lap.begin - start, lap.end - start);
}

function* threadEvents(
  { steps, times }: Timeline,
  thread: number,
  tid: number,
  start: number,
  kindOf: Profile["kindOf"],
): Generator<TraceEvent> {
  for (let i = 0; i <= steps.length; i++) {
    const at = 2 * ((steps.length + 1) * thread + i);
    const [reached, began] = [times[at]! - start, times[at + 1]! - start];
    if (began > reached) yield span(tid === GPU_TRACK ? "gap" : "barrier", "wait", tid, reached, began);
    const step = steps[i];
    if (!step) return;
    const node = step.nodes.map(({ name }) => name).join(" + ");
    yield span(step.kernel, kindOf(step.nodes[0]!), tid, began, times[at + 2]! - start, { node });
  }
}
