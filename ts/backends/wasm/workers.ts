import { BackendError } from "../../errors.ts";

/** A thread that has entered the kernels' worker loop. */
export interface KernelWorker {
  terminate(): void;
}
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly job: number;
  readonly id: number;
  readonly sequence: number;
  /** performance.timeOrigin of the caller: workers tell the time on its clock. */
  readonly origin: number;
}

/**
 * The whole of a worker: it enters wasm and stays there until told to stop. As text, because a file beside the library is found in
 * a different way by every bundler, and these lines never change.
 */
const body = `({ module, memory, job, id, sequence, origin }, ready) => {
  const abort = () => { throw new Error("kernel abort"); };
  const shift = performance.timeOrigin - origin;
  const now = () => performance.now() + shift;
  const { worker } = new WebAssembly.Instance(module, { env: { memory, abort, now } }).exports;
  ready();
  worker(job, id, sequence);
}`;

/** Starts one worker and resolves when it is about to enter its loop. */
export async function startWorker(start: WorkerStart): Promise<KernelWorker> {
  return isNode() ? startNodeWorker(start) : startWebWorker(start);
}

function isNode(): boolean {
  const { process, Deno } = globalThis as { process?: { versions?: { node?: string } }; Deno?: unknown };
  return process?.versions?.node !== undefined && Deno === undefined;
}

async function startNodeWorker(start: WorkerStart): Promise<KernelWorker> {
  const { Worker } = await import("node:worker_threads");
  const source = `const { parentPort, workerData } = require("node:worker_threads"); (${body})(workerData, () => parentPort.postMessage("ready"));`;
  const worker = new Worker(source, { eval: true, workerData: start });
  await new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", (cause) => reject(new BackendError(`wasm: worker ${start.id} did not start: ${cause.message}`, { cause })));
  });
  worker.unref(); // an idle pool must not keep the process alive
  return { terminate: () => void worker.terminate() };
}

async function startWebWorker(start: WorkerStart): Promise<KernelWorker> {
  const source = `onmessage = ({ data }) => (${body})(data, () => postMessage("ready"));`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new BackendError(`wasm: worker ${start.id} did not start: ${event.message}`));
      worker.postMessage(start);
    });
  } finally {
    URL.revokeObjectURL(url);
  }
  return { terminate: () => worker.terminate() };
}
