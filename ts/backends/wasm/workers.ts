import { BackendError } from "../../errors.ts";
import { nodeWorker } from "../../node-worker.ts";

/** A thread on its way into the kernels' worker loop. */
export interface KernelWorker {
  /** Resolves when it is about to enter its loop. Throws BackendError. */
  readonly ready: Promise<void>;
  terminate(): void;
}
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  /** Of each bank. */
  readonly memories: readonly WebAssembly.Memory[];
  readonly job: number;
  /** Index, in 4-byte words of bank 0, of the bank to run; negative: end. */
  readonly bankWord: number;
  readonly id: number;
  /** performance.timeOrigin of the caller: workers tell the time on its clock. */
  readonly origin: number;
}

interface ThreadExports {
  wait(job: number, sequence: number): number;
  run(job: number, id: number): void;
}

/**
 * The whole of a thread: it waits in wasm for the next job, never for a message. Uses nothing from around it, since it starts from its own
 * text: a file beside the library is found in a different way by every bundler. Its functions are methods or nameless, or tools that keep names (esbuild's
 * `keepNames`, tsx) would call a helper that the text does not have.
 */
export function runThread({ module, memories, job, bankWord, id, origin }: WorkerStart, ready: () => void): void {
  const shift = performance.timeOrigin - origin;
  const banks = memories.map((memory) => {
    const env = {
      memory,
      abort() {
        throw new Error("kernel abort");
      },
      now() {
        return performance.now() + shift;
      },
    };
    return new WebAssembly.Instance(module, { env }).exports as unknown as ThreadExports;
  });
  const words = new Int32Array(memories[0]!.buffer);
  ready();
  for (let sequence = 0; ; ) {
    sequence = banks[0]!.wait(job, sequence);
    const bank = words[bankWord]!;
    if (bank < 0) return;
    banks[bank]!.run(job, id);
  }
}

/** Name of a worker that is to be a thread. */
export const THREAD = "tandem-thread";
let threadScript: string | undefined;

/** A script that does `runThread` in a worker of the name THREAD: where a policy forbids `blob:` workers, threads cannot start from text. */
export function setThreadScript(url: string): void {
  threadScript = url;
}

/** Starts one worker. */
export async function startWorker(start: WorkerStart): Promise<KernelWorker> {
  const NodeWorker = await nodeWorker();
  const worker = NodeWorker ? startNodeWorker(NodeWorker, start) : startWebWorker(start);
  worker.ready.catch(() => undefined); // whoever runs a program hears of it
  return worker;
}

function startNodeWorker(NodeWorker: typeof import("node:worker_threads").Worker, start: WorkerStart): KernelWorker {
  const source = `const { parentPort, workerData } = require("node:worker_threads"); (${runThread})(workerData, () => parentPort.postMessage("ready"));`;
  // Without the process's own flags: after `node --input-type=module -e …` the source would be a module, and have no `require`.
  const worker = new NodeWorker(source, { eval: true, workerData: start, execArgv: [] });
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", () => {
      worker.unref(); // an idle pool must not keep the process alive
      resolve();
    });
    worker.once("error", (cause) => reject(new BackendError(`wasm: worker ${start.id} did not start: ${cause.message}`, { cause })));
    worker.once("exit", () => reject(new BackendError(`wasm: worker ${start.id} was ended before it had started`)));
  });
  return { ready, terminate: () => void worker.terminate() };
}

function startWebWorker(start: WorkerStart): KernelWorker {
  const source = `onmessage = ({ data }) => (${runThread})(data, () => postMessage("ready"));`;
  const url = threadScript ?? URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module", name: THREAD });
  let stopped = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    stopped = () => reject(new BackendError(`wasm: worker ${start.id} was ended before it had started`));
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new BackendError(`wasm: worker ${start.id} did not start: ${event.message}`));
    worker.postMessage(start);
  }).finally(() => URL.revokeObjectURL(url)); // of a script's own URL: nothing happens
  return {
    ready,
    terminate() {
      worker.terminate();
      stopped();
    },
  };
}
