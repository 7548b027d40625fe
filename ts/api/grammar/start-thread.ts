import { CapabilityError } from "../../errors.ts";
import { nodeWorker } from "../../node-worker.ts";
import type { Request, Response } from "./messages.ts";

/** A thread that runs the grammar script. */
export interface Thread {
  post(request: Request): void;
  /** Whether a process must wait for the thread. */
  hold(held: boolean): void;
  end(): void;
}

export interface ThreadEvents {
  /** What the thread sends. */
  onResponse(response: Response): void;
  /** The thread is no more. */
  onEnd(reason: string): void;
}

/** The script gives `serve`. As text, as the kernels' workers are: a file beside the library is found in a different way by every bundler. */
const NAME = "grammarScript";

/**
 * Starts a thread. Where there can be none, the script runs in this one: a grammar then stops all else while it is compiled. Throws
 * CapabilityError where a page allows neither.
 */
export async function startThread(events: ThreadEvents): Promise<Thread> {
  const { default: script } = await import("tandem:grammar-script");
  const text = await script();
  const NodeWorker = await nodeWorker();
  if (NodeWorker) return startNodeThread(NodeWorker, text, events);
  try {
    return await startWebThread(text, events).catch(() => runHere(text, events));
  } catch (cause) {
    const todo = "allow worker-src blob: in the page's Content-Security-Policy, or script-src blob:";
    throw new CapabilityError(`grammar: neither a worker nor a script can be made from a blob here: ${todo}`, { cause });
  }
}

function startNodeThread(
  NodeWorker: typeof import("node:worker_threads").Worker,
  text: string,
  { onResponse, onEnd }: ThreadEvents,
): Thread {
  // The process's own flags are left out: --input-type=module would have the script read as a module, which has no `require`.
  const options = { eval: true, execArgv: [] };
  const worker = new NodeWorker(`${text}\n${NAME}.serve(require("node:worker_threads").parentPort);`, options);
  worker.unref();
  worker.on("message", onResponse);
  worker.on("error", (error) => onEnd(String(error)));
  worker.on("exit", () => onEnd("its thread ended"));
  return {
    post: (request) => worker.postMessage(request),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}

/** Rejects where a page has no workers, or its Content-Security-Policy forbids them. */
async function startWebThread(text: string, { onResponse, onEnd }: ThreadEvents): Promise<Thread> {
  const url = URL.createObjectURL(new Blob([`${text}\n${NAME}.serve(self);`], { type: "text/javascript" }));
  try {
    const worker = new Worker(url);
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => {
        event.preventDefault();
        reject(event);
      };
    });
    worker.onmessage = ({ data }) => onResponse(data as Response);
    worker.onerror = ({ message }) => onEnd(message);
    return { post: (request) => worker.postMessage(request), hold: () => {}, end: () => worker.terminate() };
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function runHere(text: string, { onResponse }: ThreadEvents): Promise<Thread> {
  const url = URL.createObjectURL(new Blob([`${text}\nexport const { serve } = ${NAME};`], { type: "text/javascript" }));
  try {
    const { serve } = (await import(/* webpackIgnore: true */ /* @vite-ignore */ url)) as typeof import("./serve.ts");
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => onResponse(data as Response);
    serve(port2);
    return { post: (request) => port1.postMessage(request), hold: () => {}, end: () => port1.close() };
  } finally {
    URL.revokeObjectURL(url);
  }
}
