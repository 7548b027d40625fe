import type { Backend, BackendBuffer, Location, Plan } from "../backends/backend.ts";
import { BackendError, DisposedError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Dims, Tensor } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";
import type { Profiler } from "../profile/profiler.ts";
import { type Schedule, type ScheduledSplit, schedule } from "../schedule/schedule.ts";
import type { Machine } from "./machine.ts";
import { TopReader } from "./top-logits.ts";
import type { WeightBuffers } from "./upload.ts";

/** Bytes of a context, by what they are for. */
export interface ContextBytes {
  readonly kvCache: number;
  /** R and S of all sequences. */
  readonly recurrentState: number;
  /** Inputs and the values between nodes. */
  readonly compute: number;
}

/** Decides where a model's nodes run. Throws SplitBudgetError. */
export function scheduleModel(model: ModelGraph, machine: Pick<Machine, "targets" | "pins" | "maxSplits">, max: Dims): Schedule {
  return schedule(model.graph, machine.targets, machine.pins, max, machine.maxSplits);
}

/** What a context of this graph takes, before any of it is allocated. */
export function contextBytes(model: ModelGraph, { placed }: Schedule, max: Dims): ContextBytes {
  const sum = (tensors: readonly Tensor[]) => tensors.reduce((total, tensor) => total + tensorBytes(tensor, max), 0);
  const attention = model.layers.flatMap((layer) => (layer.kind === "attention" ? [layer.K, layer.V] : []));
  const recurrent = model.layers.flatMap((layer) => (layer.kind === "recurrent" ? [layer.R, layer.S] : []));
  const values = placed.reduce((total, { bytes }) => total + bytes, 0);
  return { kvCache: sum(attention), recurrentState: sum(recurrent), compute: sum([...model.graph.inputs.values()]) + values };
}

/** A split with the plan that runs it. */
interface Step {
  readonly split: ScheduledSplit;
  readonly plan: Plan;
}

/** A graph with memory for everything that it touches, on one or more backends, ready to run. */
export class Executor {
  readonly model: ModelGraph;
  readonly schedule: Schedule;
  readonly #machine: Machine;
  /** Where each tensor is, on each backend that holds it. */
  readonly #locations: readonly Map<Tensor, Location>[];
  readonly #owned: (readonly [Backend, BackendBuffer])[] = [];
  readonly #steps: Step[] = [];
  /** Of each value the backend that makes it, of one in parts the first. */
  readonly #makers = new Map<Tensor, number>();
  #top: TopReader | undefined;
  #finished = 0;
  #disposed = false;

  private constructor(model: ModelGraph, planned: Schedule, machine: Machine) {
    this.model = model;
    this.schedule = planned;
    this.#machine = machine;
    this.#locations = machine.backends.map(() => new Map());
    for (const { target, nodes } of planned.splits) {
      for (const { storage } of nodes.flatMap(({ outputs }) => Object.values(outputs))) {
        if (!this.#makers.has(storage)) this.#makers.set(storage, target);
      }
    }
  }

  /** Schedules, allocates states, inputs and values, and prepares a plan a split. Frees all of it again when it fails. */
  static async create(model: ModelGraph, max: Dims, machine: Machine, weights: WeightBuffers): Promise<Executor> {
    const executor = new Executor(model, scheduleModel(model, machine, max), machine);
    try {
      executor.#allocate(max, weights);
      for (const split of executor.schedule.splits) {
        const locations = executor.#locations[split.target]!;
        const plan = await machine.backends[split.target]!.prepare({
          nodes: split.nodes,
          locations,
          max,
          keep: split.keep,
          group: executor,
        });
        executor.#steps.push({ split, plan });
      }
      return executor;
    } catch (error) {
      executor.dispose();
      throw error;
    }
  }

  /** Writes an input, on every backend that reads it, or a state, where it lives. */
  write(tensor: Tensor, data: Float32Array | Int32Array | Uint8Array, offset = 0): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#machine.backends.forEach((backend, t) => {
      const location = this.#locations[t]!.get(tensor.storage);
      if (location) backend.write(location.buffer, location.offset + offset, bytes);
    });
  }

  /**
   * Runs all splits in order, bringing values across where they are needed next. Waits only for what has to cross and for experts from a file: meanwhile the caller may
   * dispose of the executor, then this throws DisposedError and touches memory no more.
   */
  async run(dims: Dims, profiler?: Profiler): Promise<void> {
    this.#finished = 0;
    for (const { split, plan } of this.#steps) {
      const backend = this.#machine.backends[split.target]!;
      for (const { tensor, from } of split.crossings) {
        const size = tensorBytes(tensor, dims);
        if (size === 0) continue; // of no rows: nobody asked for logits
        const source = this.#locate(from, tensor);
        const bytes = await this.#machine.backends[from]!.read(source.buffer, source.offset, size);
        this.#check();
        const goal = this.#locate(split.target, tensor);
        backend.write(goal.buffer, goal.offset, bytes);
        profiler?.lap("crossing");
      }
      const running = backend.run(plan, dims, profiler);
      if (running) await running;
      profiler?.lap("run");
      this.#finished++;
    }
  }

  /** Whether the last run has changed states: when it failed before that, they are whole. */
  get touched(): boolean {
    return this.#finished > 0 || this.#steps[0]?.plan.broken === true;
  }

  /** Whether everything runs on one GPU: runs can then be submitted ahead of what is read back. */
  get pipelined(): boolean {
    return this.#steps.length === 1 && this.#machine.targets[this.#steps[0]!.split.target]!.placesValues;
  }

  /** Whether a GPU makes the logits. */
  get logitsOnGpu(): boolean {
    return this.#machine.targets[this.#targetOf(this.model.logits)]!.placesValues;
  }

  /** Finds the largest logits where the logits are; made when first asked for, for runs of at most `rows` outputs. */
  async topReader(rows: number): Promise<TopReader> {
    if (this.#top) return this.#top;
    const { logits } = this.model;
    const target = this.#targetOf(logits);
    const made = await TopReader.create(this.#machine.backends[target]!, this.#locate(target, logits), rows, logits.shape.at(-1) as number);
    if (this.#disposed) made.dispose();
    this.#check();
    this.#top = made;
    return made;
  }

  get targets(): Machine["targets"] {
    return this.#machine.targets;
  }

  /** Resolves when every backend is through with what it was given: a read waits for all calls before it. */
  async settle(): Promise<void> {
    this.#check();
    await Promise.all([...new Map(this.#owned)].map(([backend, buffer]) => backend.read(buffer, 0, 4)));
  }

  /** A copy of part of an output or a state. */
  async read(tensor: Tensor, offset: number, bytes: number): Promise<Uint8Array> {
    this.#check();
    const target = this.#targetOf(tensor);
    const location = this.#locate(target, tensor);
    return this.#machine.backends[target]!.read(location.buffer, location.offset + offset, bytes);
  }

  dispose(): void {
    this.#disposed = true;
    for (const { plan } of this.#steps) plan.dispose();
    this.#top?.dispose();
    for (const [backend, buffer] of this.#owned) backend.free(buffer);
  }

  #allocate(max: Dims, weights: WeightBuffers): void {
    const { graph } = this.model;
    const own = (target: number, bytes: number) => {
      const backend = this.#machine.backends[target]!;
      const buffer = backend.alloc(bytes);
      this.#owned.push([backend, buffer]);
      return buffer;
    };
    for (const [name, tensor] of graph.weights) {
      for (const [target, buffer] of weights.get(name)!) this.#locations[target]!.set(tensor, { buffer, offset: 0 });
    }
    for (const tensor of graph.states.values()) {
      const target = this.#machine.pins(tensor)[0]!;
      this.#locations[target]!.set(tensor, { buffer: own(target, tensorBytes(tensor, max)), offset: 0 });
    }
    for (const { target, nodes } of this.schedule.splits) {
      const inputs = nodes.flatMap((node) => Object.values(node.inputs)).filter(({ kind }) => kind === "input");
      for (const { storage } of inputs) {
        if (!this.#locations[target]!.has(storage))
          this.#locations[target]!.set(storage, { buffer: own(target, tensorBytes(storage, max)), offset: 0 });
      }
    }
    this.schedule.placed.forEach(({ offsets, bytes }, target) => {
      if (offsets.size === 0) return;
      const arena = own(target, bytes);
      for (const [tensor, offset] of offsets) this.#locations[target]!.set(tensor, { buffer: arena, offset });
    });
  }

  #check(): void {
    if (this.#disposed) throw new DisposedError("this context was disposed while it decoded");
  }

  /** The backend that makes a value, or the first that holds a state or an input. */
  #targetOf({ storage }: Tensor): number {
    return this.#makers.get(storage) ?? this.#locations.findIndex((locations) => locations.has(storage));
  }

  #locate(target: number, tensor: Tensor): Location {
    const location = this.#locations[target]?.get(tensor.storage);
    if (!location) throw new BackendError(`tensor "${tensor.name}" has no memory in this graph`);
    return location;
  }
}
