import { BackendError, DisposedError, InvalidArgumentError, TandemError } from "../errors.ts";
import type { Dims } from "../graph/tensor.ts";
import { SequenceMemory } from "../memory/memory.ts";
import type { ContextShape, ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { type Phase, type Profile, Profiler } from "../profile/profiler.ts";
import { activeBytes } from "./active-bytes.ts";
import type { ResolvedContext } from "./context-options.ts";
import { type ContextBytes, contextBytes, Executor } from "./executor.ts";
import type { Machine } from "./machine.ts";
import { nextTask } from "./next-task.ts";
import { rotations } from "./rotation.ts";
import type { TopLogits } from "./top-logits.ts";
import { cutUbatches, type DecodeRequest, type Ubatch } from "./ubatch.ts";
import type { WeightBuffers } from "./upload.ts";

/** Tokens begun before the one that is awaited has come back. One keeps a GPU busy while all goes well, the second while JavaScript is late. */
const AHEAD = 2;

/** The state of one or more sequences, and the memory to run a model over them. Made by `model.createContext`. */
export class Context {
  /** Of the memory that this context took, by use. */
  readonly bytes: ContextBytes;
  readonly shape: ContextShape;
  /** Nodes of the graph and runs in a row on one backend, as the field prints them. */
  readonly graphInfo: { readonly nodes: number; readonly splits: number };
  readonly #config: Config;
  readonly #executor: Executor;
  readonly #memory: SequenceMemory;
  readonly #resolved: ResolvedContext;
  readonly #onDispose: () => void;
  readonly #profiler: Profiler | undefined;
  #lastRun: Dims = { T: 0, O: 0 };
  /** Runs so far: tells whether another came between two steps. */
  #runs = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  private constructor(config: Config, resolved: ResolvedContext, executor: Executor, fingerprint: string, onDispose: () => void) {
    this.#config = config;
    this.#resolved = resolved;
    this.#executor = executor;
    this.#onDispose = onDispose;
    this.#profiler = resolved.profile ? new Profiler(executor.model) : undefined;
    this.shape = resolved.shape;
    this.bytes = contextBytes(executor.model, executor.schedule, resolved.shape.max);
    this.graphInfo = { nodes: executor.model.graph.nodes.length, splits: executor.schedule.splits.length };
    const { contextLength, sequences } = resolved.shape;
    const access = {
      write: (...[tensor, data, offset]: Parameters<Executor["write"]>) => executor.write(tensor, data, offset),
      read: (...args: Parameters<Executor["read"]>) => executor.read(...args),
    };
    this.#memory = new SequenceMemory(executor.model.layers, access, {
      contextLength,
      sequences,
      checkpoints: resolved.checkpoints,
      fingerprint,
    });
  }

  /** @internal Called by Model.createContext. */
  static async create(
    parts: { config: Config; graph: ModelGraph; machine: Machine; weights: WeightBuffers; fingerprint: string },
    resolved: ResolvedContext,
    onDispose: () => void,
  ): Promise<Context> {
    if (resolved.keepResiduals) for (const residual of parts.graph.residuals) parts.graph.graph.output(residual);
    const executor = await Executor.create(parts.graph, resolved.shape.max, parts.machine, parts.weights);
    return new Context(parts.config, resolved, executor, parts.fingerprint, onDispose);
  }

  /**
   * Decodes tokens of one or more sequences, in ubatches, and returns the logits that were asked for: f32[V] a row, in the order of the
   * requests. Calls run one after the other. An abort stops between ubatches; what was decoded until then stays, `length` tells.
   *
   * Throws ContextOverflowError before anything is decoded when a sequence has no room, InvalidArgumentError for a token or sequence
   * that does not exist, the signal's reason.
   */
  decode(requests: DecodeRequest | readonly DecodeRequest[], options: { readonly signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    return this.#inTurn(() => this.#decode(listed(requests), options.signal, (count) => this.#readLogits(count)));
  }

  /**
   * As `decode`, but of each row only the 64 largest logits come back (all where the vocabulary is smaller), found on the device that has
   * them: for a GPU's 248,320-word vocabulary half a kilobyte in place of a megabyte.
   */
  decodeTop(requests: DecodeRequest | readonly DecodeRequest[], options: { readonly signal?: AbortSignal } = {}): Promise<TopLogits[]> {
    return this.#inTurn(async () => {
      const top = await this.#executor.topReader(this.shape.max.O);
      return this.#decode(listed(requests), options.signal, (count) => top.read(count));
    });
  }

  /**
   * As `decode`, but all logits come back only of the rows for which `whole` is true, in the order of the rows; of the others the 64 largest,
   * as of `decodeTop`.
   */
  decodeRows(
    requests: DecodeRequest | readonly DecodeRequest[],
    whole: readonly boolean[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<(Float32Array | TopLogits)[]> {
    if (whole.every(Boolean)) return this.decode(requests, options);
    return this.#inTurn(async () => {
      const top = await this.#executor.topReader(this.shape.max.O);
      let done = 0; // rows of the ubatches before
      return this.#decode(listed(requests), options.signal, async (count) => {
        const rows: (Float32Array | TopLogits)[] = await top.read(count);
        for (let o = 0; o < count; o++) if (whole[done + o]) rows[o] = (await this.#readLogits(1, o))[0]!;
        done += count;
        return rows;
      });
    });
  }

  /** Logits of a row, V: at least as many as the tokenizer has tokens. */
  get logitsLength(): number {
    return this.#config.V;
  }

  /** Whether the logits are on a GPU, so that `decodeTop` saves reading them. */
  get logitsOnGpu(): boolean {
    return this.#executor.logitsOnGpu;
  }

  /** Whether the whole graph runs on one GPU, so that `greedy` begins a token before the last one has been read back. */
  get pipelined(): boolean {
    return this.#executor.pipelined;
  }

  /**
   * Decodes `token`, then the likeliest token after it, and so on, and yields them as they are known, until the sequence is full. The
   * choice is made on the device that has the logits and only the token's id is read back. Where `pipelined`, up to AHEAD tokens more than
   * were yielded have been begun: they are in the sequence when the caller stops.
   */
  async *greedy(
    token: number,
    { sequence = 0, signal }: { sequence?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<number, void, undefined> {
    const begun: Promise<number>[] = [];
    let last = { run: -1, id: Promise.resolve(token) };
    for (;;) {
      while (begun.length <= (this.pipelined ? AHEAD : 0) && this.length(sequence) < this.shape.contextLength) {
        const from = last;
        last = await this.#inTurn(() => this.#continue(sequence, from));
        begun.push(last.id);
      }
      const oldest = begun.shift();
      if (!oldest) return;
      yield await oldest;
      signal?.throwIfAborted();
    }
  }

  /**
   * @internal As `greedy` on sequence 0 for `count` tokens, where `pipelined` with nothing read back but the last: by so much as it is
   * faster, reading costs.
   */
  greedyUnread(token: number, count: number): Promise<number> {
    return this.#inTurn(async () => {
      let last = { run: -1, id: Promise.resolve(token) };
      for (let made = 1; made <= count; made++) last = await this.#continue(0, last, made === count || !this.pipelined);
      return last.id;
    });
  }

  /** Tokens that a sequence holds. */
  length(sequence = 0): number {
    return this.#memory.length(sequence);
  }

  /** Remembers the recurrent state of a sequence where it stands now, so that `rewind` can come back here exactly. */
  checkpoint(sequence = 0): Promise<void> {
    return this.#inTurn(() => this.#memory.checkpoint(sequence));
  }

  /** Lengths to which `rewind` can go back exactly. */
  checkpoints(sequence = 0): readonly number[] {
    return this.#memory.checkpoints(sequence);
  }

  /** Cuts a sequence back to `length` tokens, or to the newest checkpoint below. Returns the length really restored: decode the rest again. */
  rewind(length: number, sequence = 0): Promise<number> {
    return this.#inTurn(async () => this.#memory.rewind(sequence, length));
  }

  /** Forgets a sequence. */
  clear(sequence = 0): Promise<void> {
    return this.#inTurn(async () => this.#memory.clear(sequence));
  }

  /** A sequence as bytes. */
  save(sequence = 0): Promise<Uint8Array> {
    return this.#inTurn(() => this.#memory.save(sequence));
  }

  /** Replaces a sequence by saved bytes. Throws SessionError for bytes that are damaged or of another model. */
  load(bytes: Uint8Array, sequence = 0): Promise<void> {
    return this.#inTurn(async () => this.#memory.load(sequence, bytes));
  }

  /** Waits until every device has done all that was asked of it, also what nobody reads back: before a clock is started. */
  settle(): Promise<void> {
    return this.#inTurn(() => this.#executor.settle());
  }

  /** Bytes of weights that a run of so many tokens reads, by backend ("wasm", "webgpu"): see active-bytes.ts. */
  activeBytes(tokens = 1): ReadonlyMap<string, number> {
    return activeBytes(this.#executor.schedule, this.#executor.targets, this.#config, tokens);
  }

  /** @internal The memory of all sequences, between two decodes: for a cache of prefixes. */
  withMemory<T>(work: (memory: SequenceMemory) => T | Promise<T>): Promise<T> {
    return this.#inTurn(async () => work(this.#memory));
  }

  /** The residual stream of the last ubatch: f32[T, E], 0 the embedding, i after layer i - 1. Needs keepResiduals. */
  readResidual(index: number): Promise<Float32Array> {
    return this.#inTurn(async () => {
      const tensor = this.#executor.model.residuals[index];
      if (!tensor || !this.#resolved.keepResiduals) {
        throw new InvalidArgumentError(`readResidual: needs keepResiduals and an index from 0 to ${this.#config.L}, got ${index}`);
      }
      return floats(await this.#executor.read(tensor, 0, 4 * this.#lastRun.T * this.#config.E));
    });
  }

  /** After the final norm, of the rows whose logits were wanted in the last ubatch: f32[O, E]. */
  readHidden(): Promise<Float32Array> {
    return this.#inTurn(async () =>
      floats(await this.#executor.read(this.#executor.model.hidden, 0, 4 * this.#lastRun.O * this.#config.E)),
    );
  }

  /**
   * Where the time went in all runs since the last call, prefill and decode apart. Needs `profile`.
   *
   * Throws InvalidArgumentError without it, and what a GPU says when its times cannot be read.
   */
  profile(): Promise<Profile> {
    return this.#inTurn(() => {
      if (!this.#profiler)
        throw new InvalidArgumentError("profile: this context is not timed: make it with createContext({ profile: true })");
      return this.#profiler.take();
    });
  }

  /** Frees the memory. Further calls throw DisposedError; twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#executor.dispose();
    this.#onDispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Runs one call after the other, whatever became of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (this.#disposed) throw new DisposedError("this context was disposed: create another with model.createContext()");
      return work();
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** `read`: brings back so many rows of what the last run has made. */
  async #decode<Row>(
    requests: readonly DecodeRequest[],
    signal: AbortSignal | undefined,
    read: (rows: number) => Promise<Row[]>,
  ): Promise<Row[]> {
    signal?.throwIfAborted();
    const ubatches = cutUbatches(requests, this.#config.V, this.shape.max);
    for (const { sequence = 0, tokens } of requests) this.#memory.reserve(sequence, tokens.length);
    const before = new Map(requests.map(({ sequence = 0 }) => [sequence, this.#memory.length(sequence)]));
    const rows: Row[] = [];
    for (const [i, ubatch] of ubatches.entries()) {
      if (i > 0) {
        await nextTask();
        signal?.throwIfAborted();
        if (this.#disposed) throw new DisposedError("this context was disposed while it decoded");
      }
      rows.push(...(await this.#run(ubatch, before, read)));
      for (const { sequence, count } of ubatch.segments) this.#memory.commit(sequence, count);
    }
    return rows;
  }

  /**
   * Runs one token: the one that run `from.run` has left on the device, unless another run came between. Without `read` the id stays
   * on the device: the next run must follow at once.
   */
  async #continue(
    sequence: number,
    from: { run: number; id: Promise<number> },
    read = true,
  ): Promise<{ run: number; id: Promise<number> }> {
    this.#memory.reserve(sequence, 1);
    const chained = this.pipelined && from.run === this.#runs;
    const token = chained ? undefined : [await from.id];
    this.#profiler?.begin("decode", 1);
    this.#writeInputs(token, [sequence], [this.#memory.length(sequence)], [0]);
    await this.#guarded([sequence], () => this.#executor.run({ T: 1, O: 1 }, this.#profiler));
    this.#profiler?.end();
    this.#memory.commit(sequence, 1);
    return { run: this.#runs, id: read ? this.#readLikeliest(sequence) : from.id };
  }

  #readLikeliest(sequence: number): Promise<number> {
    const read = this.#guarded([sequence], () => this.#executor.read(this.#executor.model.likeliest, 0, 4));
    const id = read.then((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true));
    id.catch(() => undefined); // whoever awaits it hears of it
    return id;
  }

  /** Runs a ubatch and reads its logits: a GPU tells what went wrong only then, so nothing is committed before. */
  async #run<Row>(ubatch: Ubatch, before: ReadonlyMap<number, number>, read: (rows: number) => Promise<Row[]>): Promise<Row[]> {
    const { tokens, sequences, outputs, segments } = ubatch;
    const positions = ubatch.offsets.map((offset, t) => before.get(sequences[t]!)! + offset);
    const phase: Phase = segments.every(({ count }) => count === 1) ? "decode" : "prefill";
    this.#profiler?.begin(phase, tokens.length);
    this.#writeInputs(tokens, sequences, positions, outputs);
    const running = segments.map(({ sequence }) => sequence);
    return this.#guarded(running, async () => {
      await this.#executor.run(this.#lastRun, this.#profiler);
      const logits = outputs.length > 0 ? await read(outputs.length) : [];
      this.#profiler?.lap("read");
      this.#profiler?.end();
      return logits;
    });
  }

  /** The inputs of the next run; tokens that a device has put there itself are left out. */
  #writeInputs(
    tokens: readonly number[] | undefined,
    rows: readonly number[],
    positions: readonly number[],
    outputs: readonly number[],
  ): void {
    const { inputs } = this.#executor.model;
    if (tokens) this.#executor.write(inputs.tokens, Int32Array.from(tokens));
    this.#executor.write(inputs.rows, Int32Array.from(rows));
    this.#executor.write(inputs.positions, Int32Array.from(positions));
    this.#executor.write(inputs.rotation, rotations(this.#config.rope, positions));
    this.#executor.write(inputs.outputs, Int32Array.from(outputs));
    this.#lastRun = { T: rows.length, O: outputs.length };
    this.#runs++;
    this.#profiler?.lap("inputs");
  }

  /** Runs or reads for these sequences; when that fails half way they go back to their newest checkpoints. */
  async #guarded<T>(sequences: readonly number[], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (this.#disposed) throw cause;
      if (cause instanceof TandemError && !this.#executor.touched) throw cause; // thrown before anything ran: the state is whole
      for (const sequence of sequences) this.#memory.recover(sequence);
      if (cause instanceof TandemError) throw cause;
      throw new BackendError(`decode failed, its sequences went back to their newest checkpoints: ${(cause as Error).message}`, { cause });
    }
  }

  async #readLogits(count: number, first = 0): Promise<Float32Array[]> {
    const V = this.#config.V;
    const all = floats(await this.#executor.read(this.#executor.model.logits, 4 * first * V, 4 * count * V)); // [count, V]
    return Array.from({ length: count }, (_, o) => all.subarray(o * V, (o + 1) * V));
  }
}

const listed = (requests: DecodeRequest | readonly DecodeRequest[]) => ("tokens" in requests ? [requests] : requests);
const floats = (bytes: Uint8Array) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
