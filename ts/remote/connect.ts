import type { CompletionParams, EmbeddingParams } from "../api/completion-types.ts";
import type { OpenAiApi } from "../api/openai-api.ts";
import type { ChatCompletionParams, RequestOptions } from "../api/types.ts";
import { InvalidArgumentError, NetworkError } from "../errors.ts";
import { eventData } from "./events.ts";
import { remoteError, streamError } from "./remote-error.ts";

/** Where the server is, and how it is asked. */
export interface ConnectOptions {
  /** Up to and with the version, as `https://api.example/v1`. */
  readonly baseURL: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly apiKey?: string;
  /** The model's name there, for requests that name none. */
  readonly model: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
}

/**
 * The interface of a loaded model over a server with OpenAI's: vLLM, SGLang, llama-server, `tandem serve`. Nothing is sent yet. Requests
 * throw the errors of a local model where they mean the same (InvalidArgumentError, ContextOverflowError, QueueFullError), NetworkError with
 * the status for the rest, and the signal's reason.
 */
export function connect(options: ConnectOptions): OpenAiApi {
  if (!URL.canParse(options.baseURL)) throw new InvalidArgumentError(`baseURL must be a URL, got ${JSON.stringify(options.baseURL)}`);
  if (!options.model) throw new InvalidArgumentError("model must be the name of a model there, got none");
  const remote = new Connection(options);
  // What comes is what the request asked for: the casts say what the server's API promises.
  const create =
    <P extends ChatCompletionParams | CompletionParams | EmbeddingParams>(path: string) =>
    (params: P, { signal }: RequestOptions = {}): Promise<unknown> =>
      "stream" in params && params.stream ? remote.stream(path, params, signal) : remote.ask(path, params, signal);
  return {
    chat: { completions: { create: create("chat/completions") as OpenAiApi["chat"]["completions"]["create"] } },
    completions: { create: create("completions") as OpenAiApi["completions"]["create"] },
    embeddings: { create: create("embeddings") as OpenAiApi["embeddings"]["create"] },
  };
}

class Connection {
  readonly #options: ConnectOptions;
  readonly #base: string;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#base = options.baseURL.replace(/\/+$/, "");
  }

  async ask(path: string, params: object, signal: AbortSignal | undefined): Promise<unknown> {
    const response = await this.#post(path, params, signal);
    const text = await this.#reading(() => response.text(), signal);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new NetworkError(`${this.#base} answered with something else than JSON: check that baseURL is an API`, response.status, {
        cause,
      });
    }
  }

  /** Throws before the first chunk where the server refuses. */
  async stream(path: string, params: object, signal: AbortSignal | undefined): Promise<AsyncIterable<unknown>> {
    const { body } = await this.#post(path, params, signal);
    if (!body) throw new NetworkError(`${this.#base} answered with nothing: check that baseURL is an API`);
    return this.#chunks(body, signal);
  }

  async *#chunks(body: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<unknown, void, undefined> {
    const events = eventData(body, this.#base);
    try {
      for (;;) {
        const { done, value } = await this.#reading(() => events.next(), signal);
        if (done) return;
        const chunk: unknown = JSON.parse(value);
        const error = streamError(this.#base, chunk);
        if (error) throw error;
        yield chunk;
      }
    } finally {
      await events.return();
    }
  }

  async #post(path: string, params: object, signal: AbortSignal | undefined): Promise<Response> {
    const { apiKey, headers, model, fetch: ask = fetch } = this.#options;
    const authorization: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    const response = await this.#reading(
      () =>
        ask(`${this.#base}/${path}`, {
          ...{ method: "POST", signal, headers: { "content-type": "application/json", ...authorization, ...headers } },
          body: JSON.stringify({ ...params, model: (params as { model?: string }).model ?? model }),
        }),
      signal,
    );
    if (response.ok) return response;
    throw remoteError(this.#base, response.status, await response.text().catch(() => ""));
  }

  /** What fails on the way is the signal's reason, or the network's fault. */
  async #reading<T>(read: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await read();
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof NetworkError) throw cause;
      throw new NetworkError(
        `${this.#base} cannot be reached (${(cause as Error).message}): check the address and the network`,
        undefined,
        {
          cause,
        },
      );
    }
  }
}
