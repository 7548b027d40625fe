import { afterEach } from "vitest";
import type { Context } from "../../ts/engine/context.ts";
import type { Model } from "../../ts/engine/model.ts";
import { GenerationQueue, type QueueOptions } from "../../ts/serving/queue.ts";
import type { GeneratedToken, GenerationRequest } from "../../ts/serving/request.ts";
import type { Tokenizer } from "../../ts/text/tokenizer.ts";

export const GREEDY = { temperature: 0 };

/** Tokens without meaning, others for each seed. */
export function tokensOf(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => ((i + 1) * 2654435761 + seed * 40503) % 8000);
}

export async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const all: GeneratedToken[] = [];
  for await (const one of tokens) all.push(one);
  return all;
}

export const ids = (tokens: readonly GeneratedToken[]): number[] => tokens.map(({ token }) => token);

/** A model's context that serves one prompt at a time. */
export interface Alone {
  readonly context: Context;
  readonly tokenizer: Tokenizer;
}

/** The likeliest continuation of a prompt, and the logits before each of its tokens. */
export async function solo(
  { context, tokenizer }: Alone,
  prompt: readonly number[],
  maxTokens: number,
): Promise<{ tokens: number[]; logits: Float32Array[] }> {
  await context.clear();
  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  for (let next = [...prompt]; tokens.length < maxTokens; next = [tokens.at(-1)!]) {
    const [row] = await context.decode({ tokens: next });
    logits.push(row!);
    tokens.push(row!.indexOf(row!.reduce((a, b) => Math.max(a, b))));
    if (tokenizer.isEndOfGeneration(tokens.at(-1)!)) break;
  }
  return { tokens, logits };
}

/** A request that also keeps the logits from which each token was drawn. */
export function watched(request: GenerationRequest): { request: GenerationRequest; logits: Float32Array[] } {
  const logits: Float32Array[] = [];
  return { request: { ...request, adjust: (row) => void logits.push(row.slice()) }, logits };
}

/** Opens queues of 256 tokens a sequence, which end with the test. */
export function queuesOf(model: () => Model): (options?: QueueOptions) => Promise<GenerationQueue> {
  const queues: GenerationQueue[] = [];
  afterEach(() => {
    for (const queue of queues.splice(0)) queue.dispose();
  });
  return async (options = {}) => {
    const queue = await GenerationQueue.create(model(), { contextLength: 256, ...options });
    queues.push(queue);
    return queue;
  };
}
