import { Sampler } from "../engine/sampler.ts";
import type { TopLogits } from "../engine/top-logits.ts";
import { Generation } from "./generation.ts";
import { likeliest, logSumExp } from "./logprobs.ts";
import type { GeneratedToken, GenerationRequest } from "./request.ts";

/** What a job has to know of the model and the queue. */
export interface JobSetting {
  readonly vocabularySize: number;
  readonly isEndOfGeneration: (token: number) => boolean;
  /** Tokens between checkpoints within a prompt. */
  readonly checkpointEvery: number;
  /** Called when a job can draw that could not. */
  readonly onReady: () => void;
  /** Called once, when the job has ended. */
  readonly onEnd: (job: Job, outcome: Outcome) => void;
}

/** What a step waits for a request that prepares: streams that fall out of step cost a step each. */
const PATIENCE_MS = 20;

/** How a job ended; cancelled: aborted, or nobody takes its tokens. */
export type Outcome = "finished" | "cancelled" | "failed";

/** A request on its way through the queue. */
export class Job {
  readonly request: GenerationRequest;
  readonly prompt: Int32Array;
  readonly generation: Generation;
  /** Lengths of the prompt at which its state is to be kept, rising; the last is its end. */
  readonly stops: readonly number[];
  readonly usage: { readonly promptTokens: number; cachedTokens: number; generatedTokens: number };
  /** Drawn, and to be decoded next. */
  next: number | undefined;
  ended = false;
  /** Whether the next token can be drawn: what the request prepares for it is there. */
  ready = true;
  /** Logits from which nothing was drawn yet since the job was not ready. */
  undrawn: Float32Array | TopLogits | undefined;
  /** Whether `draw` needs no more than a row's largest logits. */
  readonly topOnly: boolean;
  readonly #setting: JobSetting;
  readonly #sampler: Sampler;
  readonly #generated: number[] = [];
  #preparing: Promise<void> = Promise.resolve();
  #last = false;
  readonly #onAbort = () => this.end("cancelled", { reason: this.request.signal!.reason as unknown });

  /** Throws InvalidArgumentError for the sampler's options, the signal's reason where it was aborted before. */
  constructor(request: GenerationRequest, setting: JobSetting) {
    request.signal?.throwIfAborted();
    this.request = request;
    this.prompt = Int32Array.from(request.tokens);
    this.stops = checkpointLengths(request, setting.checkpointEvery);
    this.usage = { promptTokens: this.prompt.length, cachedTokens: 0, generatedTokens: 0 };
    this.#setting = setting;
    this.#sampler = new Sampler(request.sampler, setting.vocabularySize);
    this.topOnly = this.#sampler.topOnly && !request.adjust && !request.logprobs && !request.topLogprobs;
    for (const token of this.prompt) this.#sampler.accept(token);
    this.generation = new Generation(this.usage, () => this.end(this.#last ? "finished" : "cancelled"));
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** How far to read the prompt at most in one go, after `length` tokens. */
  nextStop(length: number): number {
    return this.stops.find((stop) => stop > length)!;
  }

  tellProgress(readTokens: number): void {
    const { promptTokens: totalTokens, cachedTokens } = this.usage;
    this.request.onPrompt?.({ readTokens, totalTokens, cachedTokens });
  }

  /** Has the request prepare for its next token. */
  prepare(): void {
    const promise = this.request.prepare?.(this.#generated);
    if (!promise) return;
    this.ready = false;
    this.#preparing = promise.then(
      () => {
        this.ready = true;
        this.#setting.onReady();
      },
      (reason: unknown) => this.end("failed", { reason }),
    );
  }

  /** Waits until the job is ready or has failed, but not for long. */
  async patience(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([this.#preparing, late]);
    clearTimeout(timer);
  }

  /**
   * Draws the next token from logits, f32[V], which it may change, or where `topOnly` from the largest, and gives it out. `full`: the sequence
   * has no room for it. True when it was the last.
   */
  draw(logits: Float32Array | TopLogits, full: boolean): boolean {
    const { adjust, maxTokens = Number.POSITIVE_INFINITY } = this.request;
    if (maxTokens === 0) return true;
    const report = logits instanceof Float32Array ? this.#reporter(logits) : () => ({});
    if (logits instanceof Float32Array) adjust?.(logits, this.#generated);
    const token = this.#sampler.sample(logits);
    this.#sampler.accept(token);
    this.#generated.push(token);
    this.usage.generatedTokens++;
    this.next = token;
    const endOfGeneration = this.#setting.isEndOfGeneration(token);
    const finishReason = endOfGeneration ? "stop" : full || this.#generated.length >= maxTokens ? "length" : undefined;
    this.#last = finishReason !== undefined;
    this.generation.push({ token, endOfGeneration, ...report(token), ...(finishReason && { finishReason }) });
    if (!this.#last) this.prepare();
    return this.#last;
  }

  /** The first end counts. */
  end(outcome: Outcome, failure?: { readonly reason: unknown }): void {
    if (this.ended) return;
    this.ended = true;
    this.request.signal?.removeEventListener("abort", this.#onAbort);
    this.#setting.onEnd(this, outcome);
    this.generation.end(failure);
  }

  /** Notes what is to be reported of the logits while they are the model's own. */
  #reporter(logits: Float32Array): (token: number) => Pick<GeneratedToken, "logprob" | "top"> {
    const { logprobs = false, topLogprobs = 0 } = this.request;
    if (!logprobs && topLogprobs === 0) return () => ({});
    const own = logits.slice();
    const total = logSumExp(own);
    return (token) => ({ logprob: own[token]! - total, top: likeliest(own, topLogprobs, total) });
  }
}

function checkpointLengths({ tokens, borders = [] }: GenerationRequest, every: number): number[] {
  const regular = Array.from({ length: Math.floor(tokens.length / every) }, (_, i) => (i + 1) * every);
  const lengths = new Set([...borders, ...regular, tokens.length].filter((length) => length > 0));
  return [...lengths].sort((a, b) => a - b);
}
