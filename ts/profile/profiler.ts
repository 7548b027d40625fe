import type { Recorder, Timeline } from "../backends/backend.ts";
import type { ModelGraph } from "../models/architecture.ts";
import { type KindOf, layerKinds } from "./layer-kind.ts";
import { type PhaseProfile, summarise } from "./summary.ts";

/** decode: one token of each sequence; prefill: more. */
export type Phase = "prefill" | "decode";

/** What the engine's own thread does in a run: writes inputs, brings values across backends, runs a split, reads logits. */
export type LapKind = "inputs" | "crossing" | "run" | "read";

/** A stretch of a run's time, by what it was spent on. */
export interface Lap {
  readonly kind: LapKind;
  /** Milliseconds of performance.now. */
  readonly begin: number;
  readonly end: number;
}

/** One run of the graph. */
export interface Run {
  readonly phase: Phase;
  readonly tokens: number;
  /** Milliseconds of performance.now. */
  readonly begin: number;
  readonly end: number;
  readonly laps: readonly Lap[];
  readonly timelines: readonly Timeline[];
}

/** Where the time of some runs went. */
export interface Profile {
  /** Prefill and decode, those that there were. */
  readonly phases: readonly PhaseProfile[];
  /** For `chromeTrace`: every run by itself, in order. */
  readonly runs: readonly Run[];
  readonly kindOf: KindOf;
  /** What to know when reading it, in words: no GPU times, runs that were not recorded. */
  readonly notes: readonly string[];
}

/** Times kept between two calls of `take`: 2^21 of them are 16 MiB, and a trace of some 100 MB. */
const MAX_TIMES = 2 ** 21;

interface OpenRun {
  readonly phase: Phase;
  readonly tokens: number;
  readonly begin: number;
  readonly laps: Lap[];
  readonly timelines: (Timeline | Promise<Timeline>)[];
}

/** Collects the times of a context's runs. */
export class Profiler implements Recorder {
  readonly #kindOf: KindOf;
  #runs: (OpenRun & { readonly end: number })[] = [];
  #open: OpenRun | undefined;
  #last = 0;
  #kept = 0;
  #dropped = 0;
  readonly #notes = new Set<string>();

  constructor(model: Pick<ModelGraph, "graph" | "layers">) {
    this.#kindOf = layerKinds(model);
  }

  /** A run begins. One that failed, and so never ended, is forgotten. */
  begin(phase: Phase, tokens: number): void {
    this.#last = performance.now();
    this.#open = { phase, tokens, begin: this.#last, laps: [], timelines: [] };
  }

  /** The time since the last lap, or the run's begin, went into this. */
  lap(kind: LapKind): void {
    const begin = this.#last;
    this.#last = performance.now();
    this.#open?.laps.push({ kind, begin, end: this.#last });
    this.#kept += 2;
  }

  record(timeline: Timeline | Promise<Timeline>): void {
    this.#open?.timelines.push(timeline);
    const count = ({ times }: Timeline) => {
      this.#kept += times.length;
    };
    if (timeline instanceof Promise)
      timeline.then(count, () => undefined); // `take` tells of a failure
    else count(timeline);
  }

  note(text: string): void {
    this.#notes.add(text);
  }

  end(): void {
    const run = this.#open;
    this.#open = undefined;
    if (!run) return;
    if (this.#kept > MAX_TIMES) this.#dropped++;
    else this.#runs.push({ ...run, end: this.#last });
  }

  /** What has been recorded since the last call. */
  async take(): Promise<Profile> {
    const [runs, dropped] = [this.#runs, this.#dropped];
    this.#runs = [];
    this.#dropped = 0;
    this.#kept = 0;
    const done = await Promise.all(runs.map(async (run): Promise<Run> => ({ ...run, timelines: await Promise.all(run.timelines) })));
    const notes = [...this.#notes, ...(dropped > 0 ? [`${dropped} later run(s) were not recorded: there were too many to keep`] : [])];
    const phases = (["prefill", "decode"] as const).map((phase) => summarise(phase, done, this.#kindOf));
    return { phases: phases.filter(({ runs: count }) => count > 0), runs: done, kindOf: this.#kindOf, notes };
  }
}
