/** The grammar thread's script: see scripts/rollup-grammar.mjs. */
import { GrammarHost } from "./host.ts";
import type { Port, Request, Response, Standing } from "./messages.ts";

/** Answers the calls that come through a port, one after the other. */
export function serve(port: Port): void {
  let host: GrammarHost;
  let turn = Promise.resolve();
  const answer = async (request: Request): Promise<void> => {
    if ("vocabulary" in request) {
      host = new GrammarHost(request.vocabulary);
      return;
    }
    const { id, method, args } = request;
    try {
      const value = await (host[method] as (...args: readonly unknown[]) => unknown)(...args);
      const { allowed } = (value ?? {}) as Partial<Standing>;
      port.postMessage({ id, value } satisfies Response, allowed ? [allowed.buffer] : []);
    } catch (error) {
      port.postMessage({ id, failure: String(error) } satisfies Response, []);
    }
  };
  port.onmessage = ({ data }) => {
    turn = turn.then(() => answer(data as Request));
  };
  port.postMessage({ loaded: true } satisfies Response, []);
}
