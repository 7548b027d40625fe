import { loadModel, type Model } from "../../ts/api/model.ts";
import { type ServeOptions, type Server, serve } from "../../ts/server/index.ts";
import type { QueueOptions } from "../../ts/serving/queue.ts";
import { embeddedModel } from "../models/trained.ts";

export const KEY = "secret";

export interface Served extends Server {
  readonly model: Model;
  /** The server's answer to a JSON body, with its key. */
  post(path: string, body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  /** A metric's value; `name` may have labels. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** The example model behind a server on a free port. */
export async function served(queue: QueueOptions = {}, options: ServeOptions = {}): Promise<Served> {
  const model = await loadModel(embeddedModel, { threads: 1, queue: { contextLength: 512, parallel: 2, ...queue } });
  const server = await serve(model, { port: 0, apiKeys: [KEY], ...options });
  const authorization = `Bearer ${KEY}`;
  return {
    ...{ model, url: server.url, close: (graceMs) => server.close(graceMs) },
    post: (path, body, headers = {}, signal) =>
      fetch(server.url + path, {
        ...{ method: "POST", signal, headers: { authorization, "content-type": "application/json", ...headers } },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    metric: async (name) => {
      const text = await (await fetch(`${server.url}/metrics`, { headers: { authorization } })).text();
      return Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.slice(name.length + 1),
      );
    },
    stop: async () => {
      await server.close(0);
      model.dispose();
    },
  };
}

/** Waits until something holds. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
