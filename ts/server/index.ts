/** An OpenAI-compatible HTTP server for a model: `serve` listens in Node and Deno, `createServer` is the hono app alone. */
import { createServer, type ServedModel, type ServerOptions } from "./app.ts";
import { type Address, listen } from "./listen.ts";
import { builtPage } from "./page-files.ts";
import { Work } from "./work.ts";

export { createServer, type ServedModel, type ServerOptions } from "./app.ts";
export type { Address } from "./listen.ts";
export { type Task, Work } from "./work.ts";

export interface ServeOptions extends Omit<ServerOptions, "work">, Partial<Address> {}

export interface Server {
  /** As `http://127.0.0.1:8080`. */
  readonly url: string;
  /**
   * Refuses new requests, lets those that run finish for `graceMs` (default 10,000) and aborts the rest. True where all finished. The model
   * stays loaded.
   */
  close(graceMs?: number): Promise<boolean>;
}

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/**
 * Serves a model on 127.0.0.1:8080, or where the options say. Without keys, a server on the loopback answers to its own names alone.
 * Throws InvalidArgumentError where the address cannot be had, and what `model.queue()` throws.
 */
export async function serve(model: ServedModel, options: ServeOptions = {}): Promise<Server> {
  const { host = "127.0.0.1", port = 8080, ...rest } = options;
  await model.queue(); // memory that is not there is missed now
  const work = new Work();
  const name = host.includes(":") ? `[${host}]` : host;
  const open = (options.apiKeys ?? []).length === 0;
  const hosts = open && LOOPBACK.includes(name) ? LOOPBACK : undefined;
  const app = createServer(model, { page: builtPage(), hosts, ...rest, work });
  const listener = await listen((request) => app.fetch(request), { host, port });
  return {
    url: `http://${name}:${listener.port}`,
    close: async (graceMs = 10_000) => {
      const drained = work.drain(graceMs);
      listener.refuse();
      const all = await drained;
      await listener.close();
      return all;
    },
  };
}
