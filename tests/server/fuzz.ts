import fc from "fast-check";
import { ChatCompletions } from "../../ts/api/chat.ts";
import { Completions } from "../../ts/api/completions.ts";
import { InvalidArgumentError } from "../../ts/errors.ts";
import { createServer, type ServedModel } from "../../ts/server/index.ts";
import { ScriptedModel } from "../api/scripted.ts";
import { requests } from "./bodies.ts";

/** A model whose answers cost nothing; all that comes before them is real. */
function scripted(): ServedModel {
  const model = new ScriptedModel("json", "ok");
  const stats = { parallel: 1, active: 0, waiting: 0, promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  const none = { finished: 0, cancelled: 0, failed: 0, cacheBytes: 0, checkpoints: 0 };
  return {
    name: model.name,
    chat: { completions: new ChatCompletions(model) },
    completions: new Completions(model),
    embeddings: { create: async (): Promise<never> => Promise.reject(new InvalidArgumentError("input is not embedded here")) },
    tokenize: (text, options) => model.tokenizer.encode(text, options),
    detokenize: (tokens, options) => model.tokenizer.decode(tokens, options),
    queue: () => Promise.resolve({ stats: { ...stats, ...none }, contextLength: model.contextLength }),
  };
}

/** Sends random bodies; how many were answered with each status. Throws for a status of 500 and above, and for an error without a type. */
export async function fuzz(runs: number, seed?: number): Promise<Map<number, number>> {
  const app = createServer(scripted());
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(requests, async ([path, body]) => {
      const response = await app.request(path, { method: "POST", body, headers: { "content-type": "application/json" } });
      const text = await response.text();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      if (response.status >= 500) throw new Error(`${response.status} for ${path}: ${text}`);
      if (response.status >= 400 && typeof JSON.parse(text).error.type !== "string") throw new Error(`an error without a type: ${text}`);
      if (text.includes('"server_error"')) throw new Error(`within a stream: ${text}`);
    }),
    { numRuns: runs, seed },
  );
  return statuses;
}
