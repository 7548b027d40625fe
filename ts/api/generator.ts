import type { GeneratedToken, GenerationRequest } from "../serving/request.ts";

export type { GeneratedToken, GenerationRequest } from "../serving/request.ts";

/** What the API draws its tokens from: a GenerationQueue. Leaving a generation early ends its work. */
export interface Generator {
  /** Tokens that a prompt and its answer may have together. */
  readonly contextLength: number;
  /** Throws ContextOverflowError for a prompt that does not fit, InvalidArgumentError, QueueFullError, the signal's reason. */
  generate(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined>;
}
