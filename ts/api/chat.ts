import { InvalidArgumentError } from "../errors.ts";
import type { Metadata } from "../io/metadata.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { Answer, MessageBuilder } from "./answer.ts";
import { answerGrammar } from "./chat-grammar.ts";
import type { GenerationRequest, Generator } from "./generator.ts";
import { Constraint } from "./grammar/constraint.ts";
import type { Grammars } from "./grammar/grammars.ts";
import { tokenLogprob } from "./logprobs.ts";
import { merged } from "./merged.ts";
import { templateMessages } from "./messages.ts";
import { chatPrompt } from "./prompt.ts";
import { checkPromptFits, newId, now, samplerOptions, stopTexts, wholeParam } from "./requests.ts";
import { toolUse } from "./tool-choice.ts";
import { ToolCallParser } from "./tools/call-parser.ts";
import { toolFormat } from "./tools/format.ts";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionParams,
  ChatCompletionParamsNonStreaming,
  ChatCompletionParamsStreaming,
  ChatDelta,
  FinishReason,
  RequestOptions,
  TokenLogprob,
  Usage,
} from "./types.ts";

/** What the API needs of a model. */
export interface ApiModel {
  readonly name: string;
  readonly metadata: Metadata;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  readonly grammars: Grammars;
  /** Where its tokens come from; made when first asked for. */
  generator(): Promise<Generator>;
}

/** A piece of one of a request's answers. */
interface Piece {
  readonly choice: number;
  readonly delta: ChatDelta;
  readonly logprobs: readonly TokenLogprob[];
  readonly finishReason: FinishReason | undefined;
}

interface Counts {
  readonly promptTokens: number;
  cached: number;
  completion: number;
  reasoning: number;
}

/** `chat.completions`, as OpenAI's client has it. */
export class ChatCompletions {
  readonly #model: ApiModel;

  constructor(model: ApiModel) {
    this.#model = model;
  }

  /**
   * Answers a conversation: whole, or as chunks while it is written. Leaving the loop over the chunks, or an abort, ends the work.
   *
   * Throws before anything is generated: InvalidArgumentError, UnsupportedSchemaError, ContextOverflowError; while generating, the
   * signal's reason or what the model's devices throw.
   */
  create(params: ChatCompletionParamsNonStreaming, options?: RequestOptions): Promise<ChatCompletion>;
  create(params: ChatCompletionParamsStreaming, options?: RequestOptions): Promise<AsyncIterable<ChatCompletionChunk>>;
  create(params: ChatCompletionParams, options?: RequestOptions): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
  async create(params: ChatCompletionParams, options: RequestOptions = {}): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    options.signal?.throwIfAborted();
    const { pieces, counts } = await this.#prepare(params, options);
    const head = { id: newId("chatcmpl-"), created: now(), model: params.model ?? this.#model.name };
    return params.stream ? chunks(pieces, counts, head, params) : whole(pieces, counts, head, params);
  }

  /** Checks a request and makes all that is known before its first token. */
  async #prepare(
    params: ChatCompletionParams,
    { signal, onPrompt }: RequestOptions,
  ): Promise<{ pieces: () => AsyncGenerator<Piece, void, undefined>; counts: Counts }> {
    const model = this.#model;
    const use = toolUse(params);
    const prompt = chatPrompt(model, templateMessages(params.messages), use.tools, params.chat_template_kwargs);
    const n = wholeParam("n", params.n, 1, 128) ?? 1;
    const topLogprobs = wholeParam("top_logprobs", params.top_logprobs, 0, 20) ?? 0;
    if (topLogprobs > 0 && !params.logprobs) throw new InvalidArgumentError("top_logprobs needs logprobs: true");
    const limit = wholeParam("max_completion_tokens", params.max_completion_tokens, 1) ?? wholeParam("max_tokens", params.max_tokens, 1);
    const stop = stopTexts(params.stop);
    const generator = await model.generator();
    checkPromptFits(prompt.tokens.length, generator.contextLength);
    const format = toolFormat(model.chatTemplate.source);
    const held = answerGrammar(params, use, format, prompt.opensThinking);
    const mask = held && (await model.grammars.compile(held.grammar, { open: held.again, signal }));
    const counts: Counts = { promptTokens: prompt.tokens.length, cached: 0, completion: 0, reasoning: 0 };
    const requests = Array.from(
      { length: n },
      (_, choice): GenerationRequest => ({
        ...{ tokens: prompt.tokens, borders: prompt.borders, sampler: samplerOptions(params, model.metadata, choice) },
        ...{ maxTokens: limit, logprobs: params.logprobs ?? false, topLogprobs },
        onPrompt: (progress) => {
          if (choice > 0) return;
          counts.cached = progress.cachedTokens;
          onPrompt?.(progress);
        },
      }),
    );
    const answerOf = (request: GenerationRequest, choice: number, stopSignal: AbortSignal | undefined) => {
      const calls = use.tools.length > 0 ? new ToolCallParser(format, use.tools) : undefined;
      const answer = new Answer(model.tokenizer, { opensThinking: prompt.opensThinking, stop, calls, parallel: use.parallel });
      const constraint = mask && (() => new Constraint(mask, model.tokenizer, held));
      return answerPieces(generator, { ...request, signal: stopSignal }, model.tokenizer, answer, constraint, counts, choice);
    };
    return { pieces: () => merged(requests, answerOf, signal), counts };
  }
}

/** Generates one answer. */
async function* answerPieces(
  generator: Generator,
  request: GenerationRequest,
  tokenizer: Tokenizer,
  answer: Answer,
  constrain: (() => Constraint) | undefined,
  counts: Counts,
  choice: number,
): AsyncGenerator<Piece, void, undefined> {
  const constraint = constrain?.();
  let ended: "stop" | "length" = "length";
  let logprobs: TokenLogprob[] = [];
  try {
    for await (const token of generator.generate({ ...request, ...constraint?.hooks })) {
      counts.completion++;
      const logprob = token.endOfGeneration ? undefined : tokenLogprob(tokenizer, token);
      if (logprob) logprobs.push(logprob);
      const delta = answer.push(token);
      ended = answer.stopped ? "stop" : (token.finishReason ?? ended);
      if (Object.keys(delta).length > 0) {
        yield { choice, delta, logprobs, finishReason: undefined };
        logprobs = [];
      }
      if (answer.stopped) break;
    }
  } finally {
    constraint?.dispose();
  }
  counts.reasoning += answer.reasoningTokens;
  const delta = answer.end();
  yield { choice, delta, logprobs, finishReason: answer.finishReason(ended) };
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

async function whole(
  pieces: () => AsyncIterable<Piece>,
  counts: Counts,
  head: Head,
  params: ChatCompletionParams,
): Promise<ChatCompletion> {
  const choices = Array.from({ length: params.n ?? 1 }, () => ({
    ...{ builder: new MessageBuilder(), logprobs: [] as TokenLogprob[], finishReason: "stop" as FinishReason },
  }));
  for await (const { choice, delta, logprobs, finishReason } of pieces()) {
    const made = choices[choice]!;
    made.builder.add(delta);
    made.logprobs.push(...logprobs);
    if (finishReason) made.finishReason = finishReason;
  }
  return {
    ...{ id: head.id, object: "chat.completion", created: head.created, model: head.model },
    choices: choices.map(({ builder, logprobs, finishReason }, index) => ({
      ...{ index, message: builder.message(), finish_reason: finishReason },
      logprobs: params.logprobs ? { content: logprobs, refusal: null } : null,
    })),
    usage: usage(counts),
  };
}

async function* chunks(
  pieces: () => AsyncIterable<Piece>,
  counts: Counts,
  head: Head,
  params: ChatCompletionParams,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const counted = params.stream_options?.include_usage ?? false;
  const chunk = (choices: ChatCompletionChunk["choices"], total: Usage | null): ChatCompletionChunk => ({
    ...{ id: head.id, object: "chat.completion.chunk", created: head.created, model: head.model, choices },
    ...(counted ? { usage: total } : {}),
  });
  const begun = new Set<number>();
  for await (const { choice: index, delta, logprobs, finishReason } of pieces()) {
    if (!begun.has(index)) yield chunk([{ index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }], null);
    begun.add(index);
    const content = params.logprobs && logprobs.length > 0 ? { content: [...logprobs], refusal: null } : null;
    if (Object.keys(delta).length > 0 || content) yield chunk([{ index, delta, logprobs: content, finish_reason: null }], null);
    if (finishReason) yield chunk([{ index, delta: {}, logprobs: null, finish_reason: finishReason }], null);
  }
  if (counted) yield chunk([], usage(counts));
}

function usage({ promptTokens, cached, completion, reasoning }: Counts): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completion,
    total_tokens: promptTokens + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}
