import { once } from "node:events";
import { InvalidArgumentError } from "../errors.ts";

/** What clients get for taking the rest of their answers when a server closes. */
const FLUSH_MS = 500;

export interface Address {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

/** A server that takes connections. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections; those that are open stay. */
  refuse(): void;
  /** Cuts what is open. */
  close(): Promise<void>;
}

type Fetch = (request: Request) => Response | Promise<Response>;

/** Answers HTTP requests by Deno's own server, or Node's. Throws InvalidArgumentError where the address cannot be had. */
export async function listen(fetch: Fetch, address: Address): Promise<Listener> {
  const { Deno } = globalThis as { Deno?: DenoServing };
  try {
    return Deno ? listenInDeno(Deno, fetch, address) : await listenInNode(fetch, address);
  } catch (cause) {
    const { host, port } = address;
    throw new InvalidArgumentError(`${host}:${port} cannot be listened on (${(cause as Error).message}): choose another host or port`, {
      cause,
    });
  }
}

async function listenInNode(fetch: Fetch, { host, port }: Address): Promise<Listener> {
  const { createAdaptorServer } = await import("@hono/node-server");
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as import("node:http").Server;
  server.listen(port, host);
  await once(server, "listening"); // rejects with the server's error
  const closed = once(server, "close");
  return {
    port: (server.address() as import("node:net").AddressInfo).port,
    refuse: () => void server.close(),
    close: async () => {
      // What was answered may still be on its way; connections that are kept alive must not hold up the end.
      const idle = setInterval(() => server.closeIdleConnections(), 10);
      const late = setTimeout(() => server.closeAllConnections(), FLUSH_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(late);
    },
  };
}

/** What is used of Deno's namespace. */
interface DenoServing {
  serve(
    options: { hostname: string; port: number; signal: AbortSignal; onListen: () => void },
    fetch: Fetch,
  ): { readonly addr: { readonly port: number }; readonly finished: Promise<void>; shutdown(): Promise<void> };
}

function listenInDeno(Deno: DenoServing, fetch: Fetch, { host, port }: Address): Listener {
  const cut = new AbortController();
  const server = Deno.serve({ hostname: host, port, signal: cut.signal, onListen: () => undefined }, fetch);
  return {
    port: server.addr.port,
    refuse: () => void server.shutdown(),
    close: async () => {
      const late = setTimeout(() => cut.abort(), FLUSH_MS);
      await server.finished;
      clearTimeout(late);
    },
  };
}
