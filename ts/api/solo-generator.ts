import type { Context } from "../engine/context.ts";
import { nextTask } from "../engine/next-task.ts";
import { Sampler, type TokenProbability } from "../engine/sampler.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { GeneratedToken, GenerationRequest, Generator } from "./generator.ts";
import { checkPromptFits } from "./requests.ts";

/** One generation after the other in one sequence of one context; every prompt is read from its start. */
export class SoloGenerator implements Generator {
  readonly contextLength: number;
  readonly #context: Context;
  readonly #tokenizer: Tokenizer;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: Context, tokenizer: Tokenizer) {
    this.#context = context;
    this.#tokenizer = tokenizer;
    this.contextLength = context.shape.contextLength;
  }

  async *generate(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined> {
    checkPromptFits(request.tokens.length, this.contextLength);
    const before = this.#turn;
    let done = () => {};
    this.#turn = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    try {
      yield* this.#draw(request);
    } finally {
      done();
    }
  }

  async *#draw(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined> {
    const { tokens, signal, maxTokens = Number.POSITIVE_INFINITY } = request;
    signal?.throwIfAborted();
    await this.#context.clear();
    const sampler = new Sampler(request.sampler, this.#tokenizer.vocabularySize);
    for (const token of tokens) sampler.accept(token);
    let row = await this.#readPrompt(request);
    const last = Math.min(maxTokens, this.contextLength - tokens.length + 1);
    const generated: number[] = [];
    while (generated.length < last) {
      const probabilities = request.logprobs ? modelProbabilities(row, request.topLogprobs ?? 0) : undefined;
      request.adjust?.(row, generated);
      const token = sampler.sample(row);
      sampler.accept(token);
      generated.push(token);
      const endOfGeneration = this.#tokenizer.isEndOfGeneration(token);
      const finishReason = endOfGeneration ? "stop" : generated.length >= last ? "length" : undefined;
      yield { token, logprob: probabilities?.logprob(token), top: probabilities?.top, endOfGeneration, finishReason };
      if (finishReason) return;
      await nextTask(); // an abort comes in here
      row = (await this.#context.decode({ tokens: [token] }, { signal }))[0]!;
    }
  }

  /** Returns the last token's logits, f32[V]. */
  async #readPrompt({ tokens, signal, onPrompt }: GenerationRequest): Promise<Float32Array> {
    const step = this.#context.shape.max.T;
    for (let at = 0; ; at += step) {
      const last = at + step >= tokens.length;
      const [row] = await this.#context.decode({ tokens: tokens.slice(at, at + step), logits: last ? "last" : "none" }, { signal });
      onPrompt?.({ readTokens: Math.min(at + step, tokens.length), totalTokens: tokens.length, cachedTokens: 0 });
      if (last) return row!;
    }
  }
}

/** The model's own distribution: each token's log probability, and the `count` likeliest tokens. */
function modelProbabilities(row: Float32Array, count: number): { logprob: (token: number) => number; top: TokenProbability[] } {
  let max = -Infinity;
  for (const logit of row) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - max);
  const logSum = max + Math.log(sum);
  // `adjust` changes the row in place: the model's own logits must outlive it.
  const own = row.slice();
  const logprob = (token: number) => own[token]! - logSum;
  const top: TokenProbability[] = [];
  for (let token = 0; token < own.length && count > 0; token++) {
    const probability = Math.exp(logprob(token));
    if (top.length === count && probability <= top[count - 1]!.probability) continue;
    const at = top.findIndex((other) => other.probability < probability);
    top.splice(at < 0 ? top.length : at, 0, { token, probability });
    if (top.length > count) top.pop();
  }
  return { logprob, top };
}
