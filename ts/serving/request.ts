import type { SamplerOptions, TokenProbability } from "../engine/sampler.ts";
import { ContextOverflowError, InvalidArgumentError } from "../errors.ts";

/** A prompt to continue, and how. */
export interface GenerationRequest {
  /** The whole prompt, from the first token of the sequence on. */
  readonly tokens: readonly number[];
  readonly sampler: SamplerOptions;
  /** Default: until the model ends or the context is full. 0 only reads the prompt, for later requests that begin with it. */
  readonly maxTokens?: number;
  /** Lengths of the prompt, in tokens and rising, from which another request is likely to go on otherwise: ends of messages. */
  readonly borders?: readonly number[];
  /**
   * Called when the prompt has a sequence, and after each token but the last: a promise is awaited before the next token is drawn, and the
   * other requests go on meanwhile. Throwing or rejecting ends this request alone.
   */
  readonly prepare?: (generated: readonly number[]) => Promise<void> | undefined;
  /** Called with the logits, f32[V], before each token is drawn; it may change them in place. Throwing ends this request alone. */
  readonly adjust?: (logits: Float32Array, generated: readonly number[]) => void;
  /** Likeliest tokens to report with each token. Default 0. */
  readonly topLogprobs?: number;
  /** Report each token's logprob, of the model's logits before `adjust`, penalties and temperature. */
  readonly logprobs?: boolean;
  /** Ends the request with its reason, and frees its sequence. */
  readonly signal?: AbortSignal;
  /** Called when the prompt has a sequence, and as it is read. `readTokens` counts the cached ones too. */
  readonly onPrompt?: (progress: PromptProgress) => void;
}

/** How much of a prompt has been read. */
export interface PromptProgress {
  readonly readTokens: number;
  readonly totalTokens: number;
  /** Tokens whose state was there already. */
  readonly cachedTokens: number;
}

/** A token of an answer. */
export interface GeneratedToken {
  readonly token: number;
  /** Natural logarithm of the token's probability. */
  readonly logprob?: number;
  /** The likeliest tokens, the likeliest first. */
  readonly top?: readonly TokenProbability[];
  /** Whether the model ended here: this token's text is no part of the answer. */
  readonly endOfGeneration: boolean;
  /** On the last token: "stop" when the model ended, "length" at maxTokens or a full context. */
  readonly finishReason?: "stop" | "length";
}

/** Throws InvalidArgumentError, or ContextOverflowError for a prompt that no sequence can hold. */
export function checkRequest(request: GenerationRequest, vocabularySize: number, contextLength: number): void {
  const { tokens, maxTokens = 0, borders = [], topLogprobs = 0 } = request;
  if (tokens.length === 0) throw new InvalidArgumentError("the prompt is empty: give at least one token");
  if (tokens.length > contextLength) {
    throw new ContextOverflowError(
      `the prompt has ${tokens.length} tokens, a sequence holds ${contextLength}: shorten it, or use a contextLength above ${tokens.length}`,
    );
  }
  const wrong = tokens.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize);
  if (wrong >= 0) throw new InvalidArgumentError(`token ${wrong} of the prompt must be 0 to ${vocabularySize - 1}, got ${tokens[wrong]}`);
  if (!(maxTokens >= 0)) throw new InvalidArgumentError(`maxTokens must be at least 0, got ${maxTokens}`);
  if (!Number.isInteger(topLogprobs) || topLogprobs < 0 || topLogprobs > vocabularySize) {
    throw new InvalidArgumentError(`topLogprobs must be a whole number from 0 to ${vocabularySize}, got ${topLogprobs}`);
  }
  borders.forEach((border, i) => {
    if (!Number.isInteger(border) || border > tokens.length || border < (borders[i - 1] ?? 0)) {
      throw new InvalidArgumentError(`borders must be rising lengths from 0 to ${tokens.length}, got ${border} at place ${i}`);
    }
  });
}
