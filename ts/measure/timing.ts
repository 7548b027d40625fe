import type { Context } from "../engine/context.ts";
import { nextTask } from "../engine/next-task.ts";
import { Random } from "../engine/samplers/random.ts";

/** What measuring needs of a context. */
export type MeasuredContext = Pick<Context, "shape" | "decode" | "greedy" | "clear" | "checkpoint" | "rewind" | "settle" | "activeBytes">;

/** What all measurements share. */
export interface TimingOptions {
  readonly signal?: AbortSignal;
  /** A clock in milliseconds. Default: performance.now. */
  readonly now?: () => number;
  /** Of the random tokens, so that a mixture of experts is sent the same way each time. Default 1. */
  readonly seed?: number;
}

/** Decodes random tokens of a vocabulary and takes the time. Logits of the last one are read back, as a caller would. */
export class DecodeTimer {
  readonly #context: MeasuredContext;
  readonly #vocabulary: number;
  readonly #random: Random;
  readonly #signal: AbortSignal | undefined;
  readonly #now: () => number;

  constructor(context: MeasuredContext, vocabulary: number, { signal, now, seed }: TimingOptions) {
    this.#context = context;
    this.#vocabulary = vocabulary;
    this.#random = new Random(seed ?? 1);
    this.#signal = signal;
    this.#now = now ?? (() => performance.now());
  }

  /** Seconds to decode `count` tokens in one call. */
  async prompt(count: number): Promise<number> {
    const tokens = Array.from({ length: count }, () => this.#token());
    await this.#pause();
    const start = this.#now();
    await this.#context.decode({ tokens }, { signal: this.#signal });
    return (this.#now() - start) / 1000;
  }

  /** Seconds to decode `count` tokens, each waited for before the next. */
  async generation(count: number): Promise<number> {
    let seconds = 0;
    for (let i = 0; i < count; i++) seconds += await this.prompt(1);
    return seconds;
  }

  /** Seconds to generate `count` tokens, each the likeliest after the one before: where the context is pipelined, none is waited for. */
  async greedy(count: number): Promise<number> {
    await this.#pause();
    const start = this.#now();
    let made = 0;
    for await (const _ of this.#context.greedy(this.#token(), { signal: this.#signal })) {
      if (++made === count) break;
      await nextTask(); // as `generate` does
    }
    return (this.#now() - start) / 1000;
  }

  /** An abort comes in here, where it costs no measured time. */
  async #pause(): Promise<void> {
    await nextTask();
    this.#signal?.throwIfAborted();
  }

  #token(): number {
    return Math.floor(this.#random.next() * this.#vocabulary);
  }
}
