import { StopMatcher } from "../engine/stop.ts";
import { InvalidArgumentError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ApiModel } from "./chat.ts";
import type {
  Completion,
  CompletionChoice,
  CompletionLogprobs,
  CompletionParams,
  CompletionParamsNonStreaming,
  CompletionParamsStreaming,
} from "./completion-types.ts";
import type { GenerationRequest, Generator } from "./generator.ts";
import { Constraint } from "./grammar/constraint.ts";
import type { TokenMask } from "./grammar/token-mask.ts";
import { tokenLogprob } from "./logprobs.ts";
import { merged } from "./merged.ts";
import { checkPromptFits, newId, now, samplerOptions, stopTexts, wholeParam } from "./requests.ts";
import { tokenPrompts } from "./token-prompts.ts";
import type { RequestOptions, TokenLogprob, Usage } from "./types.ts";

interface Piece {
  readonly choice: number;
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
  readonly finishReason: "stop" | "length" | undefined;
}

interface Prepared {
  readonly pieces: () => AsyncGenerator<Piece, void, undefined>;
  /** Complete when the pieces are. */
  readonly usage: Usage;
  readonly choices: number;
}

/** `completions`: text continued as it is, without a chat template. */
export class Completions {
  readonly #model: ApiModel;

  constructor(model: ApiModel) {
    this.#model = model;
  }

  /** Continues each prompt, n times. Choices are numbered prompt by prompt. Throws as `ChatCompletions.create`. */
  create(params: CompletionParamsNonStreaming, options?: RequestOptions): Promise<Completion>;
  create(params: CompletionParamsStreaming, options?: RequestOptions): Promise<AsyncIterable<Completion>>;
  create(params: CompletionParams, options?: RequestOptions): Promise<Completion | AsyncIterable<Completion>>;
  async create(params: CompletionParams, { signal }: RequestOptions = {}): Promise<Completion | AsyncIterable<Completion>> {
    signal?.throwIfAborted();
    const prepared = await this.#prepare(params, signal);
    const head = { id: newId("cmpl-"), object: "text_completion" as const, created: now(), model: params.model ?? this.#model.name };
    return params.stream ? chunks(prepared, head, params) : whole(prepared, head, params);
  }

  async #prepare(params: CompletionParams, signal: AbortSignal | undefined): Promise<Prepared> {
    const { tokenizer, metadata, grammars } = this.#model;
    const prompts = tokenPrompts("prompt", params.prompt ?? [tokenizer.bos ?? tokenizer.eos ?? 0], tokenizer);
    const n = wholeParam("n", params.n, 1, 128) ?? 1;
    if ((params.best_of ?? n) !== n) throw new InvalidArgumentError(`best_of must be n, ${n}, got ${params.best_of}`);
    if (params.suffix)
      throw new InvalidArgumentError("suffix is not supported: write the model's fill-in-the-middle tokens into the prompt");
    const topLogprobs = wholeParam("logprobs", params.logprobs, 0, 20);
    const maxTokens = wholeParam("max_tokens", params.max_tokens, 1) ?? 16;
    const stop = stopTexts(params.stop);
    const generator = await this.#model.generator();
    for (const tokens of prompts) checkPromptFits(tokens.length, generator.contextLength);
    const mask = params.grammar === undefined ? undefined : await grammars.compile(params.grammar, { signal });
    const cached = prompts.map(() => 0);
    const read = prompts.reduce((sum, tokens) => sum + tokens.length, 0);
    const usage: Usage = { prompt_tokens: read, completion_tokens: 0, total_tokens: read, prompt_tokens_details: { cached_tokens: 0 } };
    const requests = prompts.flatMap((tokens, p) =>
      Array.from(
        { length: n },
        (_, i): GenerationRequest => ({
          ...{ tokens, sampler: samplerOptions(params, metadata, p * n + i), maxTokens },
          ...{ logprobs: topLogprobs !== undefined, topLogprobs: topLogprobs ?? 0 },
          onPrompt: ({ cachedTokens }) => {
            if (i === 0) cached[p] = cachedTokens;
            usage.prompt_tokens_details = { cached_tokens: cached.reduce((sum, count) => sum + count, 0) };
          },
        }),
      ),
    );
    const run = (request: GenerationRequest, choice: number, ending: AbortSignal | undefined) => {
      const echoed = params.echo ? tokenizer.decode(request.tokens) : "";
      return continued(generator, { ...request, signal: ending }, tokenizer, { mask, stop, echoed, usage, choice });
    };
    return { pieces: () => merged(requests, run, signal), usage, choices: requests.length };
  }
}

interface Continuing {
  readonly mask: (() => TokenMask) | undefined;
  readonly stop: readonly string[];
  readonly echoed: string;
  readonly usage: Usage;
  readonly choice: number;
}

/** Continues one prompt. */
async function* continued(
  generator: Generator,
  request: GenerationRequest,
  tokenizer: Tokenizer,
  { mask, stop, echoed, usage, choice }: Continuing,
): AsyncGenerator<Piece, void, undefined> {
  const constraint = mask && new Constraint(mask, tokenizer);
  const decoder = tokenizer.decoder();
  const stops = new StopMatcher(stop);
  let finishReason: "stop" | "length" = "length";
  if (echoed !== "") yield { choice, text: echoed, logprobs: [], finishReason: undefined };
  try {
    for await (const token of generator.generate({ ...request, ...constraint?.hooks })) {
      usage.completion_tokens++;
      usage.total_tokens++;
      finishReason = token.finishReason ?? finishReason;
      if (token.endOfGeneration) break;
      const text = stops.push(decoder.push(token.token));
      const logprob = tokenLogprob(tokenizer, token);
      if (stops.stopped) finishReason = "stop";
      if (text !== "" || logprob) yield { choice, text, logprobs: logprob ? [logprob] : [], finishReason: undefined };
      if (stops.stopped) break;
    }
  } finally {
    constraint?.dispose();
  }
  yield { choice, text: stops.push(decoder.end()) + stops.end(), logprobs: [], finishReason };
}

type Head = Pick<Completion, "id" | "object" | "created" | "model">;

async function whole({ pieces, usage, choices }: Prepared, head: Head, params: CompletionParams): Promise<Completion> {
  const made = Array.from({ length: choices }, () => ({
    text: "",
    logprobs: [] as TokenLogprob[],
    finishReason: "length" as "stop" | "length",
  }));
  for await (const { choice, text, logprobs, finishReason } of pieces()) {
    const one = made[choice]!;
    one.text += text;
    one.logprobs.push(...logprobs);
    one.finishReason = finishReason ?? one.finishReason;
  }
  const listed = (logprobs: readonly TokenLogprob[]) => (typeof params.logprobs === "number" ? legacyLogprobs(logprobs) : null);
  return {
    ...head,
    choices: made.map(({ text, logprobs, finishReason }, index) => ({
      index,
      text,
      logprobs: listed(logprobs),
      finish_reason: finishReason,
    })),
    usage,
  };
}

async function* chunks({ pieces, usage }: Prepared, head: Head, params: CompletionParams): AsyncGenerator<Completion, void, undefined> {
  for await (const { choice: index, text, logprobs, finishReason } of pieces()) {
    const finish = (finishReason ?? null) as CompletionChoice["finish_reason"];
    const listed = logprobs.length > 0 ? legacyLogprobs(logprobs) : null;
    yield { ...head, choices: [{ index, text, logprobs: listed, finish_reason: finish }] };
  }
  if (params.stream_options?.include_usage) yield { ...head, choices: [], usage };
}

/** Columns instead of rows, as this older API has them. */
function legacyLogprobs(logprobs: readonly TokenLogprob[]): CompletionLogprobs {
  let offset = 0;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs }) => Object.fromEntries(top_logprobs.map(({ token, logprob }) => [token, logprob]))),
    text_offset: logprobs.map(({ token }) => {
      offset += token.length;
      return offset - token.length;
    }),
  };
}
