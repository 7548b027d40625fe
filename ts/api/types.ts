/**
 * Chat in OpenAI's shapes (chat.completions), with the additions that local servers share: `reasoning_content`, `top_k`, `min_p`,
 * `repetition_penalty`, `chat_template_kwargs`, `grammar`. A type test holds requests and answers assignable both ways to the `openai` package.
 */

import type { PromptProgress } from "../serving/request.ts";

export interface TextPart {
  type: "text";
  text: string;
}

export interface RefusalPart {
  type: "refusal";
  refusal: string;
}

/** Parts that OpenAI's types allow and that no model here can read: refused with InvalidArgumentError. */
export type MediaPart =
  | { type: "image_url"; image_url: { url: string; detail?: "auto" | "low" | "high" } }
  | { type: "input_audio"; input_audio: { data: string; format: "wav" | "mp3" } }
  | { type: "file"; file: { file_data?: string; file_id?: string; filename?: string } };

export type ContentPart = TextPart | MediaPart;

export interface FunctionToolCall {
  id: string;
  type: "function";
  /** `arguments` is JSON text; what a model wrote, so it may be cut or damaged. */
  function: { name: string; arguments: string };
}

/** Part of OpenAI's types; never made here, and refused in messages. */
export interface CustomToolCall {
  id: string;
  type: "custom";
  custom: { name: string; input: string };
}

export type ToolCall = FunctionToolCall | CustomToolCall;

export type ChatMessageParam =
  | { role: "developer" | "system"; content: string | TextPart[]; name?: string }
  | { role: "user"; content: string | ContentPart[]; name?: string }
  | AssistantMessageParam
  | { role: "tool"; content: string | TextPart[]; tool_call_id: string }
  | { role: "function"; content: string | null; name: string };

export interface AssistantMessageParam {
  role: "assistant";
  content?: string | (TextPart | RefusalPart)[] | null;
  name?: string;
  refusal?: string | null;
  /** What the model thought, as an earlier answer gave it; whether it is shown to the model again is the template's choice. */
  reasoning_content?: string | null;
  tool_calls?: ToolCall[];
}

export interface FunctionTool {
  type: "function";
  function: {
    name: string;
    description?: string;
    /** JSON schema of the arguments, an object's. */
    parameters?: Record<string, unknown>;
    /** Hold the arguments to the schema while they are written. */
    strict?: boolean | null;
  };
}

/** Part of OpenAI's types; refused. */
export interface CustomTool {
  type: "custom";
  custom: { name: string; description?: string };
}

export type ToolChoice =
  | "none"
  | "auto"
  | "required"
  | { type: "function"; function: { name: string } }
  | { type: "custom"; custom: { name: string } }
  | { type: "allowed_tools"; allowed_tools: { mode: "auto" | "required"; tools: { [key: string]: unknown }[] } };

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | {
      type: "json_schema";
      json_schema: { name: string; description?: string; schema?: { [key: string]: unknown }; strict?: boolean | null };
    };

/** How tokens are chosen. What is left out comes from the file's general.sampling.* keys, then from `SamplerOptions`' defaults. */
export interface SamplingParams {
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** Any integer, taken modulo 2^32. Choice i of `n` draws from seed + i. */
  seed?: number | null;
  /** Added to the logits of tokens, by id. */
  logit_bias?: Record<string, number> | null;
}

export interface ChatCompletionParams extends SamplingParams {
  messages: ChatMessageParam[];
  /** Named in the answer; the model that runs is the one that was loaded. */
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  max_tokens?: number | null;
  /** Tokens of the answer at most, reasoning included; wins over max_tokens. Default: until the context is full. */
  max_completion_tokens?: number | null;
  /** Texts that end the answer and are not part of it. Not looked for in the reasoning. */
  stop?: string | string[] | null;
  logprobs?: boolean | null;
  /** Likeliest tokens listed at each place, 0 to 20. Needs logprobs. */
  top_logprobs?: number | null;
  n?: number | null;
  tools?: (FunctionTool | CustomTool)[];
  tool_choice?: ToolChoice;
  parallel_tool_calls?: boolean;
  response_format?: ResponseFormat;
  /** A grammar (GBNF or xgrammar's EBNF, from the rule `root`) that the answer follows after its reasoning. */
  grammar?: string;
  /** Variables of the chat template, such as enable_thinking. */
  chat_template_kwargs?: Record<string, unknown>;
}

export interface ChatCompletionParamsStreaming extends ChatCompletionParams {
  stream: true;
}

export interface ChatCompletionParamsNonStreaming extends ChatCompletionParams {
  stream?: false | null;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** `cached_tokens` of the prompt did not have to be read again. */
  prompt_tokens_details?: { cached_tokens?: number };
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface TopLogprob {
  token: string;
  /** The token's UTF-8 bytes, maybe not whole characters. */
  bytes: number[] | null;
  logprob: number;
}

export interface TokenLogprob extends TopLogprob {
  top_logprobs: TopLogprob[];
}

export interface ChoiceLogprobs {
  content: TokenLogprob[] | null;
  refusal: TokenLogprob[] | null;
}

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "function_call";

export interface AssistantMessage {
  role: "assistant";
  /** null where the answer is tool calls alone. */
  content: string | null;
  refusal: string | null;
  reasoning_content?: string;
  tool_calls?: ToolCall[];
}

export interface ChatChoice {
  index: number;
  message: AssistantMessage;
  logprobs: ChoiceLogprobs | null;
  finish_reason: FinishReason;
}

export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: ChatChoice[];
  usage?: Usage;
}

export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function?: { name?: string; arguments?: string };
}

export interface ChatDelta {
  role?: "developer" | "system" | "user" | "assistant" | "tool";
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string;
  tool_calls?: ToolCallDelta[];
}

export interface ChunkChoice {
  index: number;
  delta: ChatDelta;
  logprobs?: ChoiceLogprobs | null;
  finish_reason: FinishReason | null;
}

export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: ChunkChoice[];
  /** On the last chunk, whose choices are empty, when stream_options.include_usage asks for it. */
  usage?: Usage | null;
}

export interface RequestOptions {
  signal?: AbortSignal;
}

export interface ChatRequestOptions extends RequestOptions {
  /** Called as the prompt is read: the first answer's, where there are several. */
  onPrompt?: (progress: PromptProgress) => void;
}
