import type { SamplerOptions, TokenProbability } from "../engine/sampler.ts";

/** A prompt, and how to go on from it. */
export interface GenerationRequest {
  readonly tokens: readonly number[];
  readonly sampler: SamplerOptions;
  readonly maxTokens?: number;
  /** Prompt lengths, rising, at which a message ends: where a later prompt is likely to part from this one. */
  readonly borders?: readonly number[];
  /** Changes a row of logits, f32[V], before the next token is drawn; `generated` are the tokens drawn so far. */
  readonly adjust?: (logits: Float32Array, generated: readonly number[]) => void;
  /** Likeliest tokens told with each token. Default 0. */
  readonly topLogprobs?: number;
  readonly logprobs?: boolean;
  readonly signal?: AbortSignal;
  readonly onPrompt?: (progress: { readonly readTokens: number; readonly totalTokens: number; readonly cachedTokens: number }) => void;
}

export interface GeneratedToken {
  readonly token: number;
  /** Natural logarithm of the token's probability under the model alone: before temperature, filters and `adjust`. */
  readonly logprob?: number;
  readonly top?: readonly TokenProbability[];
  readonly endOfGeneration: boolean;
  /** On the last token: "stop" when the model ended, "length" at maxTokens or a full context. */
  readonly finishReason?: "stop" | "length";
}

/** What the API draws its tokens from. Leaving a generation early ends its work. */
export interface Generator {
  /** Tokens that a prompt and its answer may have together. */
  readonly contextLength: number;
  /** Throws ContextOverflowError for a prompt that does not fit, InvalidArgumentError, the signal's reason. */
  generate(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined>;
}
