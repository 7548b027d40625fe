import type { Dims, Node, Tensor } from "../graph/tensor.ts";

/** Memory of a backend, opaque to all others. */
export interface BackendBuffer {
  readonly bytes: number;
}

/** Where a tensor's memory is: `offset` in bytes. */
export interface Location {
  readonly buffer: BackendBuffer;
  readonly offset: number;
}

/** Nodes that run in a row on one backend. */
export interface Split {
  readonly nodes: readonly Node[];
  /** Every tensor that the nodes touch, by its storage. */
  readonly locations: ReadonlyMap<Tensor, Location>;
  /** No run has larger extents. */
  readonly max: Dims;
  /**
   * Values (by their storage) that somebody outside the split reads: the graph's outputs, and what crosses to another split.
   * All others a backend may put elsewhere, or never write at all where it fuses nodes. Without this set it must keep every value.
   */
  readonly keep?: ReadonlySet<Tensor>;
  /** Splits of the same group never run at the same time, and all are prepared before one runs: they may share memory for inner values. */
  readonly group?: object;
}

/** A split made ready to run, over and over. */
export interface Plan {
  readonly split: Split;
  /** Whether its last run broke off half way. Absent where a run happens whole or not at all. */
  readonly broken?: boolean;
  /** Frees what the plan holds beside its split's buffers. */
  dispose(): void;
}

/** One kernel call of a plan. */
export interface Step {
  readonly kernel: string;
  /** The nodes that it computes, all or in part, or prepares for. */
  readonly nodes: readonly Node[];
  /** How much of the nodes' declared cost is this step's: 1 where it does them whole, 0 where it only prepares. */
  readonly share: number;
}

/** When each step of one run was reached and begun, on every thread of a backend. */
export interface Timeline {
  readonly backend: string;
  readonly dims: Dims;
  readonly steps: readonly Step[];
  readonly threads: number;
  /**
   * Milliseconds of performance.now, [threads, steps + 1, 2]: when a thread reached a step, and when it began it, after waiting for
   * others. It ends when the next one is reached. The last row: the end of the last step, and of the run.
   */
  readonly times: Float64Array;
}

/** Takes what a backend measures of a run. */
export interface Recorder {
  record(timeline: Timeline | Promise<Timeline>): void;
  /** What a reader of the times should know, such as why there are none. The same note counts once. */
  note(text: string): void;
}

/**
 * What a compute device does, and all it does. A backend never sees a model, a token or another backend.
 * Calls take effect in call order; awaiting `read`, and a `run` that gives a promise, are the only waits.
 */
export interface Backend {
  readonly name: string;
  /** Whether a node can run here, by op, formats and sizes. */
  supports(node: Node): boolean;
  /** Throws OutOfMemoryError, with the bytes wanted and possible. The memory starts as zeros. */
  alloc(bytes: number): BackendBuffer;
  free(buffer: BackendBuffer): void;
  write(buffer: BackendBuffer, offset: number, bytes: Uint8Array): void;
  /** The memory itself, so that a file can be read straight into it. Absent where JavaScript cannot write it. */
  view?(buffer: BackendBuffer, offset: number, bytes: number): Uint8Array;
  /** A copy of `bytes` bytes, after everything called before. */
  read(buffer: BackendBuffer, offset: number, bytes: number): Promise<Uint8Array>;
  prepare(split: Split): Promise<Plan>;
  /**
   * Runs a plan with these extents. Inputs must have been written; what comes back is read with `read`. Only with a recorder is it timed.
   * A promise where it has to wait for experts from a file: nothing may be called with this plan before it resolves, but `dispose`.
   */
  run(plan: Plan, dims: Dims, recorder?: Recorder): void | Promise<void>;
  /** Frees everything. Other calls throw DisposedError afterwards. */
  close(): void;
}
