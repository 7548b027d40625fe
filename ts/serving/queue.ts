import type { Context } from "../engine/context.ts";
import type { ContextOptions } from "../engine/context-options.ts";
import type { Model } from "../engine/model.ts";
import { nextTask } from "../engine/next-task.ts";
import type { TopLogits } from "../engine/top-logits.ts";
import { DisposedError, InvalidArgumentError, QueueFullError, SessionError } from "../errors.ts";
import type { Generation } from "./generation.ts";
import { Job, type Outcome } from "./job.ts";
import { Pace } from "./pace.ts";
import { commonLength, PrefixCache } from "./prefix-cache.ts";
import { checkRequest, type GenerationRequest } from "./request.ts";
import { packSession, unpackSession } from "./session.ts";
import { findStart, keepSlot, type Slot, type Start, startSlot } from "./slot.ts";
import { type Part, planStep } from "./step.ts";

/** How many requests run at once, in what contexts, and what is kept of their prompts. */
export interface QueueOptions extends Omit<ContextOptions, "sequences" | "checkpoints" | "keepResiduals"> {
  /** Requests that run at once. Default 4. Each has a sequence of contextLength tokens. */
  readonly parallel?: number;
  /** Requests that may wait for a sequence. Default 256. */
  readonly maxWaiting?: number;
  /** Bytes of checkpoints and KV cells from which prompts are continued; 0 keeps none. Default 1 GiB. */
  readonly cacheBytes?: number;
  /** Tokens between checkpoints in a prompt, beside those at its borders. Default 512. */
  readonly checkpointEvery?: number;
}

/** Of a Model, what a queue needs. */
export type QueueModel = Pick<Model, "tokenizer" | "createContext">;

/** What a queue is doing, and counts since it was made. */
export interface QueueStats {
  readonly parallel: number;
  readonly active: number;
  readonly waiting: number;
  /** Of all requests that got a sequence. */
  readonly promptTokens: number;
  /** Of these, the ones that were not read again. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  readonly finished: number;
  /** Aborted, or nobody took their tokens. */
  readonly cancelled: number;
  readonly failed: number;
  readonly cacheBytes: number;
  readonly checkpoints: number;
}

const DEFAULTS = { parallel: 4, maxWaiting: 256, cacheBytes: 2 ** 30, checkpointEvery: 512 };
/** A request waits for a checkpoint of another one that is being read where that saves as many tokens. */
const WORTH_WAITING = 32;

/**
 * Many requests over one model. Each step decodes the next token of every stream and a piece of the prompts in one batch; a prompt starts
 * where a sequence or a checkpoint holds its beginning. First come, first served; prompts that are read take turns.
 */
export class GenerationQueue {
  readonly #model: QueueModel;
  readonly #context: Context;
  readonly #cache: PrefixCache;
  readonly #pace: Pace;
  readonly #slots: readonly Slot[];
  readonly #options: typeof DEFAULTS;
  readonly #waiting = new Set<Job>();
  readonly #counts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0, finished: 0, cancelled: 0, failed: 0 };
  #uses = 0;
  #working = false;
  #wake = () => {};
  #turn: Promise<void> = Promise.resolve();
  #disposed = false;

  private constructor(model: QueueModel, context: Context, options: typeof DEFAULTS) {
    this.#model = model;
    this.#context = context;
    this.#options = options;
    this.#cache = new PrefixCache(options.cacheBytes);
    this.#pace = new Pace(context.shape.max.T);
    this.#slots = Array.from({ length: options.parallel }, (_, sequence) => ({ sequence, tokens: [], job: undefined, usedAt: 0 }));
  }

  /** Takes memory for the sequences. Throws what Model.createContext throws. */
  static async create(model: QueueModel, options: QueueOptions = {}): Promise<GenerationQueue> {
    const whole = (name: keyof typeof DEFAULTS, least: number) => {
      const value = options[name] ?? DEFAULTS[name];
      if (Number.isInteger(value) && value >= least) return value;
      throw new InvalidArgumentError(`${name} must be a whole number of at least ${least}, got ${value}`);
    };
    const own = {
      parallel: whole("parallel", 1),
      maxWaiting: whole("maxWaiting", 0),
      cacheBytes: whole("cacheBytes", 0),
      checkpointEvery: whole("checkpointEvery", 1),
    };
    return new GenerationQueue(model, await model.createContext({ ...options, sequences: own.parallel, checkpoints: 0 }), own);
  }

  /** Tokens that a sequence can hold. */
  get contextLength(): number {
    return this.#context.shape.contextLength;
  }

  /** What the queue is doing now, and counts since it was made. */
  get stats(): QueueStats {
    const jobs = this.#slots.flatMap(({ job }) => job ?? []);
    return {
      ...this.#counts,
      generatedTokens: jobs.reduce((sum, { usage }) => sum + usage.generatedTokens, this.#counts.generatedTokens),
      parallel: this.#slots.length,
      active: jobs.length,
      waiting: this.#waiting.size,
      cacheBytes: this.#cache.bytes,
      checkpoints: this.#cache.size,
    };
  }

  /**
   * Queues a request. Throws before anything runs: InvalidArgumentError, ContextOverflowError for a prompt longer than a sequence,
   * QueueFullError, DisposedError, the signal's reason.
   */
  generate(request: GenerationRequest): Generation {
    this.#check();
    const { tokenizer } = this.#model;
    checkRequest(request, tokenizer.vocabularySize, this.contextLength);
    const free = this.#slots.filter(({ job }) => !job).length;
    if (this.#waiting.size >= this.#options.maxWaiting + free) {
      throw new QueueFullError(`${this.#waiting.size} requests wait already: try again later, or raise maxWaiting or parallel`);
    }
    const job = new Job(request, {
      vocabularySize: tokenizer.vocabularySize,
      isEndOfGeneration: (token) => tokenizer.isEndOfGeneration(token),
      checkpointEvery: this.#options.checkpointEvery,
      onReady: () => this.#wake(),
      onEnd: (ended, outcome) => this.#onEnd(ended, outcome),
    });
    this.#waiting.add(job);
    this.#wake();
    if (!this.#working) {
      this.#working = true;
      void this.#work();
    }
    return job.generation;
  }

  /** A chat as bytes: its tokens, and the longest checkpoint among them. Loaded anywhere with this model, it goes on as here. */
  async saveSession(tokens: readonly number[]): Promise<Uint8Array> {
    this.#check();
    await this.#turn; // a stream's last token comes before its checkpoint
    const { fingerprint } = await this.#context.withMemory((memory) => memory);
    const prefix = Int32Array.from(tokens);
    return packSession(fingerprint, prefix, this.#cache.find(prefix));
  }

  /**
   * Takes a saved chat into the cache and returns its tokens: a prompt that begins with them is continued from there. Throws SessionError,
   * with the reason, for bytes that are damaged or of another model, version or KV cache type, and where cacheBytes has no room.
   */
  async loadSession(bytes: Uint8Array): Promise<number[]> {
    this.#check();
    const { fingerprint, layout } = await this.#context.withMemory((memory) => memory);
    const { tokens, length, state, cells } = unpackSession(bytes, fingerprint, layout);
    if (length > 0 && !this.#cache.add(tokens.subarray(0, length), { state }, cells)) {
      throw new SessionError(`saved state: its ${bytes.length} bytes do not fit cacheBytes, ${this.#cache.budget}: raise it`);
    }
    return Array.from(tokens);
  }

  /** Ends all requests with a DisposedError and frees the context; twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const reason = new DisposedError("the queue was disposed");
    for (const job of [...this.#waiting, ...this.#slots.flatMap(({ job }) => job ?? [])]) job.end("failed", { reason });
    this.#context.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new DisposedError("this queue was disposed: create another with GenerationQueue.create()");
  }

  #onEnd(job: Job, outcome: Outcome): void {
    this.#counts[outcome]++;
    this.#counts.generatedTokens += job.usage.generatedTokens;
    this.#waiting.delete(job);
    this.#wake();
    const slot = this.#slots.find((one) => one.job === job);
    if (!slot) return;
    slot.job = undefined;
    slot.usedAt = ++this.#uses;
  }

  async #work(): Promise<void> {
    while (this.#waiting.size > 0 || this.#slots.some(({ job }) => job)) {
      await nextTask(); // aborts come in, and requests that were made together start together
      this.#turn = this.#admit().then(() => this.#step());
      await this.#turn;
    }
    this.#working = false;
  }

  /** Gives free slots to those who wait. */
  async #admit(): Promise<void> {
    for (const job of this.#waiting) {
      const free = this.#slots.filter((slot) => !slot.job);
      if (free.length === 0) return;
      const start = findStart(free, this.#cache, job.prompt);
      if (!this.#gainsByWaiting(job, start.length)) await this.#start(job, start);
    }
  }

  /** Whether another prompt, now read, will soon leave a checkpoint further on in this one: requests come in bunches with one system prompt. */
  #gainsByWaiting({ prompt }: Job, length: number): boolean {
    if (this.#cache.budget === 0) return false;
    return this.#slots.some(({ job: reader, tokens }) => {
      if (!reader || tokens.length >= reader.prompt.length) return false;
      const common = commonLength(reader.prompt, prompt);
      const stops = reader.stops.filter((stop) => stop > tokens.length && stop <= common && stop >= length + WORTH_WAITING);
      return stops.some((stop) => stop < prompt.length || stop === reader.prompt.length);
    });
  }

  async #start(job: Job, start: Start): Promise<void> {
    const { slot, length, checkpoint } = start;
    this.#waiting.delete(job);
    slot.job = job;
    slot.usedAt = ++this.#uses;
    job.usage.cachedTokens = length;
    this.#counts.promptTokens += job.prompt.length;
    this.#counts.cachedTokens += length;
    await this.#guarded(job, async () => {
      job.prepare();
      await startSlot(this.#context, start, job.prompt);
      job.tellProgress(length);
      if (length === job.prompt.length) await this.#draw(slot, job, checkpoint!.logits!.slice());
    });
  }

  /** Decodes a token of every stream and a piece of the prompts. Whatever fails in the backend ends all requests of the batch. */
  async #step(): Promise<void> {
    for (const slot of this.#slots) {
      const { job } = slot;
      if (job?.undrawn && job.ready) await this.#guarded(job, () => this.#draw(slot, job, job.undrawn!));
    }
    const parts = planStep(this.#slots, this.#pace);
    if (parts.length === 0) return this.#idle();
    const started = performance.now();
    let rows: (Float32Array | TopLogits)[];
    try {
      rows = await this.#context.decodeRows(
        parts.map(({ slot, tokens, draws }) => ({ sequence: slot.sequence, tokens, logits: draws ? "last" : "none" })),
        parts.filter(({ draws }) => draws).map((part) => this.#needsAll(part)),
      );
    } catch (reason) {
      for (const { slot, job } of parts) {
        slot.tokens = [];
        job.end("failed", { reason });
      }
      return;
    }
    const read = parts.reduce((sum, { tokens, reads }) => sum + (reads ? tokens.length : 0), 0);
    if (read > 0) this.#pace.took(read + parts.filter(({ reads }) => !reads).length, performance.now() - started);
    for (const { slot, tokens } of parts) slot.tokens.push(...Array.from(tokens));
    let row = 0;
    for (const part of parts) await this.#finishPart(part, part.draws ? rows[row++] : undefined);
  }

  /** Whether all logits of a part are wanted: for its draw, for a checkpoint, or since a file has more of them than tokens. */
  #needsAll({ job, reads }: Part): boolean {
    return reads || !job.topOnly || this.#context.logitsLength !== this.#model.tokenizer.vocabularySize;
  }

  /** After a part was decoded: keeps a checkpoint where the prompt has one, and draws. `logits`, f32[V] or the largest, where it draws. */
  async #finishPart({ slot, job, reads }: Part, logits: Float32Array | TopLogits | undefined): Promise<void> {
    await this.#guarded(job, async () => {
      const row = logits instanceof Float32Array ? logits.subarray(0, this.#model.tokenizer.vocabularySize) : logits;
      if (reads) {
        slot.usedAt = ++this.#uses;
        const all = row instanceof Float32Array ? row.slice() : undefined;
        if (job.stops.includes(slot.tokens.length)) await keepSlot(this.#context, this.#cache, slot, all);
        job.tellProgress(slot.tokens.length);
      }
      if (row && !job.ready) await job.patience();
      if (row) await this.#draw(slot, job, row);
    });
  }

  /** Where all requests prepare: waits until one is ready or ends, or another comes. */
  async #idle(): Promise<void> {
    const jobs = this.#slots.flatMap(({ job }) => job ?? []);
    const admits = this.#waiting.size > 0 && jobs.length < this.#slots.length;
    if (admits || jobs.length === 0 || jobs.some(({ ready }) => ready)) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  async #draw(slot: Slot, job: Job, logits: Float32Array | TopLogits): Promise<void> {
    if (job.ended) return;
    job.undrawn = job.ready ? undefined : logits;
    if (job.undrawn || !job.draw(logits, slot.tokens.length >= this.contextLength)) return;
    await keepSlot(this.#context, this.#cache, slot);
    job.end("finished");
  }

  /** Work for one request: what it throws ends that request alone. */
  async #guarded(job: Job, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (reason) {
      job.end("failed", { reason });
    }
  }
}
