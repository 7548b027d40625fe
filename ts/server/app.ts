import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import type { z } from "zod";
import type { CompletionParams, EmbeddingParams } from "../api/completion-types.ts";
import type { Model } from "../api/model.ts";
import type { OpenAiApi } from "../api/openai-api.ts";
import { now } from "../api/requests.ts";
import type { ChatCompletionParams } from "../api/types.ts";
import type { GenerationQueue } from "../serving/queue.ts";
import { readBody } from "./body.ts";
import { eventStream } from "./event-stream.ts";
import { requireHost, requireKey } from "./guards.ts";
import { metricsText, RequestCounts } from "./metrics.ts";
import { fileResponse, pageFiles } from "./page-files.ts";
import { errorResponse, Refusal } from "./refusal.ts";
import { chatBody, completionBody, detokenizeBody, embeddingBody, tokenizeBody } from "./schemas.ts";
import { Turns } from "./turns.ts";
import { Work } from "./work.ts";

/** Of a Model, what a server needs. */
export interface ServedModel extends OpenAiApi, Pick<Model, "name" | "tokenize" | "detokenize"> {
  queue(): Promise<Pick<GenerationQueue, "stats" | "contextLength">>;
}

export interface ServerOptions {
  /** The model's name in /v1/models. Default: the file's. */
  readonly alias?: string;
  /** Requests must bring one of these; /health and the page are open. Default: none is wanted. */
  readonly apiKeys?: readonly string[];
  /** Origins whose pages may use the server: `["*"]` is all. Default: none. */
  readonly cors?: readonly string[];
  /** Names by which the server may be called, without ports. Default: any. */
  readonly hosts?: readonly string[];
  /** Bytes of a body at most. Default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** A folder with the page for /. */
  readonly page?: string;
  /** The requests that are being answered: give it to stop the server in good order. */
  readonly work?: Work;
  /** A line for each answered request, and errors that are nobody's fault but the server's. */
  readonly log?: (line: string) => void;
}

/** Embeddings that may wait: each takes memory for a context of its own, so they run one by one. */
const WAITING_EMBEDDINGS = 64;

/** The OpenAI-compatible HTTP interface of a model, as a hono app: `app.fetch` answers requests in Node, Deno and elsewhere. */
export function createServer(model: ServedModel, options: ServerOptions = {}): Hono {
  const { alias = model.name, apiKeys = [], hosts, work = new Work(), log, maxBodyBytes = 2 ** 24 } = options;
  const app = new Hono();
  const counts = new RequestCounts();
  observe(app, counts, log);
  if (hosts) app.use(requireHost(hosts));
  if (options.cors) app.use(cors({ origin: [...options.cors].includes("*") ? "*" : [...options.cors] }));
  app.get("/health", (context) => (work.draining ? context.json({ status: "stopping" }, 503) : context.json({ status: "ok" })));
  for (const [url, path] of options.page === undefined ? [] : pageFiles(options.page)) app.get(url, () => fileResponse(path));
  if (apiKeys.length > 0) app.use(requireKey(apiKeys));
  const tooLarge = () => {
    throw new Refusal(413, "body_too_large", `the body must have at most ${maxBodyBytes} bytes: send less at once`);
  };
  app.use(bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge }));
  addModels(app, model, alias);
  addAnswers(app, model, alias, work);
  app.get("/metrics", async (context) => {
    const { stats } = await model.queue();
    return context.text(metricsText(counts.samples, work.active, stats), 200, { "content-type": "text/plain; version=0.0.4" });
  });
  return app;
}

/** Counts requests, and turns what is thrown into answers. */
function observe(app: Hono, counts: RequestCounts, log: ServerOptions["log"]): void {
  app.use(async (context, next) => {
    const started = performance.now();
    await next();
    const { method, path } = context.req;
    const route = app.routes.some((one) => one.path === path && one.method === method) ? path : "other";
    counts.add(route, context.res.status);
    log?.(`${method} ${JSON.stringify(path)} ${context.res.status} ${(performance.now() - started).toFixed(0)} ms`);
  });
  app.onError((error) => {
    const response = errorResponse(error);
    if (response.status === 500) log?.(error.stack ?? error.message);
    return response;
  });
  app.notFound(({ req }) => errorResponse(new Refusal(404, "unknown_url", `there is no ${req.method} ${req.path} here`)));
}

function addModels(app: Hono, model: ServedModel, alias: string): void {
  const created = now();
  const describe = async () => {
    const { contextLength } = await model.queue();
    return { id: alias, object: "model", created, owned_by: "tandem", context_length: contextLength };
  };
  app.get("/v1/models", async (context) => context.json({ object: "list", data: [await describe()] }));
  app.get("/v1/models/:id{.+}", async (context) => {
    const id = context.req.param("id");
    if (id !== alias) throw new Refusal(404, "model_not_found", `there is no model ${id} here, but ${alias}`, "model");
    return context.json(await describe());
  });
}

/** The routes that read a body. */
function addAnswers(app: Hono, model: ServedModel, alias: string, work: Work): void {
  const embedding = new Turns(WAITING_EMBEDDINGS);
  const post = <S extends z.ZodType>(path: string, schema: S, answer: (params: z.output<S>, signal: AbortSignal) => Promise<object>) =>
    app.post(path, async ({ req }) => {
      const task = work.begin(req.raw.signal);
      try {
        const answered = await answer(await readBody(req.raw, schema), task.signal);
        if (Symbol.asyncIterator in answered) return await eventStream(answered as AsyncIterable<unknown>, task);
        task.end();
        return Response.json(answered);
      } catch (error) {
        task.end();
        throw error;
      }
    });
  // The schemas check what these types say, but for parts of messages that no model here reads: those are refused by name.
  post("/v1/chat/completions", chatBody, (params, signal) =>
    model.chat.completions.create({ model: alias, ...params } as ChatCompletionParams, { signal }),
  );
  post("/v1/completions", completionBody, (params, signal) =>
    model.completions.create({ model: alias, ...params } as CompletionParams, { signal }),
  );
  post("/v1/embeddings", embeddingBody, (params, signal) =>
    embedding.run(() => model.embeddings.create({ model: alias, ...params } as EmbeddingParams, { signal }), signal),
  );
  post("/tokenize", tokenizeBody, async ({ content, add_special: addSpecial, parse_special: parseSpecial }) => ({
    tokens: model.tokenize(content, { addSpecial, parseSpecial }),
  }));
  post("/detokenize", detokenizeBody, async ({ tokens }) => ({ content: model.detokenize(tokens, { special: true }) }));
}
