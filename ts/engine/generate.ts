import { InvalidArgumentError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Context } from "./context.ts";
import { nextTask } from "./next-task.ts";
import { Sampler, type SamplerOptions } from "./sampler.ts";
import { StopMatcher } from "./stop.ts";
import type { TopLogits } from "./top-logits.ts";
import type { DecodeRequest } from "./ubatch.ts";

/** How an answer is drawn, and where it ends. */
export interface GenerateOptions extends SamplerOptions {
  /** Tokens at most (-n). Default: until the model ends or the context is full. */
  readonly maxTokens?: number;
  /** Texts that end the answer, and are not part of it. */
  readonly stop?: readonly string[];
  readonly sequence?: number;
  readonly signal?: AbortSignal;
  /** Called as the prompt is read. */
  readonly onPrompt?: (progress: { readonly readTokens: number; readonly totalTokens: number }) => void;
}

/** A token and the text that became complete with it: half characters and possible stop strings are held back. */
export interface Piece {
  readonly token: number;
  readonly text: string;
  /** On the last piece: "stop" when the model or a stop string ended it, "length" at maxTokens or a full context. */
  readonly finishReason?: "stop" | "length";
}

/**
 * Reads the prompt into a sequence, after what it holds, and yields the answer token by token. An end-of-generation token is yielded with
 * its finishReason. Breaking out of the loop stops the work. The last token is not decoded, or is already, where the context is `pipelined`.
 */
export async function* generate(
  context: Context,
  tokenizer: Tokenizer,
  prompt: string | ArrayLike<number>,
  options: GenerateOptions = {},
): AsyncGenerator<Piece, void, undefined> {
  const { sequence = 0, maxTokens = Number.POSITIVE_INFINITY } = options;
  if (!(maxTokens >= 0)) throw new InvalidArgumentError(`maxTokens must be at least 0, got ${maxTokens}`);
  const tokens = typeof prompt === "string" ? tokenizer.encode(prompt) : Array.from(prompt);
  if (tokens.length === 0) throw new InvalidArgumentError("the prompt is empty: give at least one token");
  const sampler = new Sampler(options, tokenizer.vocabularySize);
  for (const token of tokens) sampler.accept(token);
  if (maxTokens === 0) return;
  const decoder = tokenizer.decoder();
  const stops = new StopMatcher(options.stop ?? []);
  const room = context.shape.contextLength - context.length(sequence) - tokens.length;
  const top = sampler.topOnly && context.logitsOnGpu;
  const decode: Decode = (request, signal) => (top ? context.decodeTop(request, signal) : context.decode(request, signal));
  const source = drawTokens(context, sampler, decode, await readPrompt(context, decode, tokens, options), options);
  for (let made = 1; ; made++) {
    const { value: token, done } = await source.next();
    if (done) return;
    if (tokenizer.isEndOfGeneration(token)) {
      yield { token, text: stops.push(decoder.end()) + stops.end(), finishReason: "stop" };
      return;
    }
    const text = stops.push(decoder.push(token));
    if (stops.stopped) {
      yield { token, text, finishReason: "stop" };
      return;
    }
    if (made >= maxTokens || made > room) {
      yield { token, text: text + stops.push(decoder.end()) + stops.end(), finishReason: "length" };
      return;
    }
    yield { token, text };
    await nextTask(); // an abort, a socket or a key press comes in here
  }
}

/** Decodes, and brings back of the logits what the sampler needs. */
type Decode = (request: DecodeRequest, options: { readonly signal?: AbortSignal }) => Promise<(Float32Array | TopLogits)[]>;

/** One token after the other, each decoded when the next is asked for; on a GPU, and where the likeliest token is all that is wanted, ahead of it. */
async function* drawTokens(
  context: Context,
  sampler: Sampler,
  decode: Decode,
  first: Float32Array | TopLogits,
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  const { sequence = 0, signal } = options;
  let token = sampler.sample(first);
  sampler.accept(token);
  yield token;
  if (sampler.greedy && context.pipelined) {
    yield* context.greedy(token, { sequence, signal });
    return;
  }
  for (;;) {
    const [logits] = await decode({ tokens: [token], sequence }, { signal });
    token = sampler.sample(logits!);
    sampler.accept(token);
    yield token;
  }
}

/** Decodes the prompt in steps of one ubatch, telling how far it is. Returns the last token's logits. */
async function readPrompt(
  context: Context,
  decode: Decode,
  tokens: readonly number[],
  options: GenerateOptions,
): Promise<Float32Array | TopLogits> {
  const { sequence = 0, signal, onPrompt } = options;
  if (!onPrompt) return (await decode({ tokens, sequence }, { signal }))[0]!;
  const step = context.shape.max.T;
  for (let at = 0; ; at += step) {
    const part = tokens.slice(at, at + step);
    const last = at + step >= tokens.length;
    const rows = await decode({ tokens: part, sequence, logits: last ? "last" : "none" }, { signal });
    onPrompt({ readTokens: at + part.length, totalTokens: tokens.length });
    if (last) return rows[0]!;
  }
}
