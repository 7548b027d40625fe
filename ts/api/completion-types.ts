import type { SamplingParams, Usage } from "./types.ts";

/** Plain text to continue, in OpenAI's shapes (completions, embeddings). */
export interface CompletionParams extends SamplingParams {
  /** A text or its tokens, or several. Default: the model's begin token, or its end token. */
  prompt?: string | string[] | number[] | number[][] | null;
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  /** Default 16, as OpenAI's. */
  max_tokens?: number | null;
  stop?: string | string[] | null;
  /** Tell each token's logprob, and those of this many likeliest ones, 0 to 20. */
  logprobs?: number | null;
  /** Answers to each prompt. */
  n?: number | null;
  /** Begin the answer with the prompt. */
  echo?: boolean | null;
  /** Not supported: refused. */
  suffix?: string | null;
  /** Not supported beyond n. */
  best_of?: number | null;
  grammar?: string;
}

/** A request whose answer comes in chunks. */
export interface CompletionParamsStreaming extends CompletionParams {
  stream: true;
}

/** A request whose answer comes whole. */
export interface CompletionParamsNonStreaming extends CompletionParams {
  stream?: false | null;
}

/** Of the tokens of a choice: natural logarithms of their probabilities. */
export interface CompletionLogprobs {
  tokens?: string[];
  token_logprobs?: number[];
  top_logprobs?: { [token: string]: number }[];
  /** Where each token begins in the text, in characters. */
  text_offset?: number[];
}

/** One of the answers: `n` to each prompt, in the prompts' order. */
export interface CompletionChoice {
  index: number;
  text: string;
  logprobs: CompletionLogprobs | null;
  /** On a chunk that is not a choice's last, null at run time, as OpenAI's API has it and its types do not. */
  finish_reason: "stop" | "length" | "content_filter";
}

/** The whole answer, or a chunk of a streamed one. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: CompletionChoice[];
  usage?: Usage;
}

/** A request for embeddings. */
export interface EmbeddingParams {
  /** A text or its tokens, or several. */
  input: string | string[] | number[] | number[][];
  model?: string;
  /** base64: little-endian float32 values. Default float. */
  encoding_format?: "float" | "base64";
  /** Must be the model's own. */
  dimensions?: number;
  /** Which of the hidden states after the final norm are taken: the mean of all (default), or the last token's. */
  pooling?: "mean" | "last";
}

/** Vectors of length 1. `T` is a string for base64. */
export interface EmbeddingResponse<T = number[]> {
  object: "list";
  data: { object: "embedding"; index: number; embedding: T }[];
  model: string;
  usage: { prompt_tokens: number; total_tokens: number };
}
