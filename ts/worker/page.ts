import type { LoadOptions, Model } from "../api/model.ts";
import { detectWasmFeatures } from "../backends/wasm/features.ts";
import { threadCapability } from "../capabilities.ts";
import type { Context } from "../engine/context.ts";
import type { GenerateOptions, Piece } from "../engine/generate.ts";
import type { ModelHeader } from "../engine/model-header.ts";
import { BackendError, CapabilityError, DisposedError } from "../errors.ts";
import { isSource, type SourceInput } from "../io/open-source.ts";
import type { OpenOptions } from "../io/open-url.ts";
import type { SweepOptions, SweepRow } from "../measure/sweep.ts";
import type { ModelCache } from "../store/cache.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { Channel, channelOf, ROOT } from "./channel.ts";
import type { Remote } from "./remote.ts";

/** How a page loads a model. */
export interface WorkerOptions {
  /**
   * Where the worker's script is served, for pages whose Content-Security-Policy forbids `blob:` workers: the package's
   * `dist/browser/worker.js`, from the page's own origin; threads start from it too. By default the script comes with the page's bundle.
   */
  readonly workerUrl?: string | URL;
}

export interface PageLoadOptions extends LoadOptions, WorkerOptions {}

/**
 * Loads a GGUF model of the Qwen3-Next family in a worker of its own, with threads when the page is cross-origin isolated: a File or Blob, a
 * URL, bytes, or all shards as an array of them. The page's thread never waits for the engine.
 *
 * Everything is as in Node, but calls give promises: see `Remote`. `dispose` ends the worker, and gives all memory back at once.
 * Throws what `loadModel` throws in Node, and CapabilityError where there are no workers.
 */
export async function loadModel(input: SourceInput | readonly SourceInput[], options: PageLoadOptions = {}): Promise<Remote<Model>> {
  const { workerUrl, ...rest } = options;
  options.signal?.throwIfAborted();
  const { channel, close } = await openChannel(workerUrl);
  sayWhatIsMissing();
  try {
    // A scope of its own, that lasts as long as the model: a Source of the page's may be read from until the end, and grammars be wanted.
    const model = (await channel.call(ROOT, "loadModel", [sendableAll(input), rest, grammarScript], [])) as Remote<Model>;
    const dispose = () => close(new DisposedError("this model was disposed: load it again"));
    return Object.assign(model, { dispose: async () => dispose(), [Symbol.dispose]: dispose });
  } catch (error) {
    close(new DisposedError("this model could not be loaded"));
    throw error;
  }
}

/** Reads a prompt into a sequence and yields the answer token by token, as `generate` does in Node; all of it runs in the model's worker. */
export function generate(
  context: Remote<Context>,
  tokenizer: Remote<Tokenizer>,
  prompt: string | ArrayLike<number>,
  options: GenerateOptions = {},
): AsyncGenerator<Piece, void, undefined> {
  return channelOf(context).iterate(ROOT, "generate", [context, tokenizer, prompt, options]) as AsyncGenerator<Piece, void, undefined>;
}

/** Measures prefill and generation over the filling of a context of this model, as `sweep` does in Node, in the model's worker. */
export function sweep(
  model: Remote<Model>,
  context: Remote<Context>,
  options: SweepOptions = {},
): AsyncGenerator<SweepRow, void, undefined> {
  return channelOf(model).iterate(ROOT, "sweep", [model, context, options]) as AsyncGenerator<SweepRow, void, undefined>;
}

/**
 * Reads what a model's file says of itself, in a worker that all such calls share, so that placements can be planned before and while a
 * model is loaded. Input and errors as `loadModel`'s.
 */
export async function readModelHeader(
  input: SourceInput | readonly SourceInput[],
  { workerUrl, ...options }: OpenOptions & WorkerOptions = {},
): Promise<Remote<ModelHeader>> {
  const { channel } = await sharedChannel(workerUrl);
  return (await channel.call(ROOT, "readModelHeader", [sendableAll(input), options])) as Remote<ModelHeader>;
}

/** The models that were downloaded, complete or not. Throws CapabilityError where a page may keep nothing. */
export async function openModelCache({ workerUrl }: WorkerOptions = {}): Promise<Remote<ModelCache>> {
  const { channel } = await sharedChannel(workerUrl);
  return (await channel.call(ROOT, "openModelCache", [])) as Remote<ModelCache>;
}

interface WorkerChannel {
  readonly channel: Channel;
  /** Ends the worker; what is under way rejects with the reason. */
  close(reason: Error): void;
}

let shared: Promise<WorkerChannel> | undefined;

function sharedChannel(workerUrl: string | URL | undefined): Promise<WorkerChannel> {
  const forget = () => {
    shared = undefined;
  };
  shared ??= openChannel(workerUrl, forget);
  shared.catch(forget);
  return shared;
}

async function openChannel(workerUrl: string | URL | undefined, onFail: () => void = () => undefined): Promise<WorkerChannel> {
  const worker = await startWorker(workerUrl);
  const channel = new Channel(worker);
  const close = (reason: Error) => {
    channel.close(reason);
    worker.terminate();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const todo = workerUrl
      ? "check workerUrl"
      : "a Content-Security-Policy may forbid blob: workers: allow worker-src blob:, or set workerUrl";
    close(new BackendError(`worker: ${event.message || `it did not start: ${todo}`}`));
    onFail();
  };
  return { channel, close };
}

const grammarScript = async () => (await import("tandem:grammar-script")).default();

/** The script as text, because bundlers, CDNs and file: pages each find, or fail to find, a file beside a library in a different way. */
async function startWorker(url?: string | URL): Promise<Worker> {
  if (typeof Worker !== "function") {
    throw new CapabilityError("there are no workers here to run the engine in: import tandem-llm/engine, which runs in the calling thread");
  }
  if (url) return new Worker(url, { type: "module" });
  const { default: script } = await import("tandem:worker-script");
  const blob = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(blob, { type: "module" });
  // Only then has the script surely been fetched.
  worker.addEventListener("message", () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}

function sendableAll(input: SourceInput | readonly SourceInput[]): unknown {
  return Array.isArray(input) ? input.map(sendable) : sendable(input as SourceInput);
}

/** An input that survives the way: a worker knows no page to which a URL could be relative, and a Source stays here and is called. */
function sendable(input: SourceInput): unknown {
  if (typeof input === "string") return new URL(input, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  if (input instanceof URL) return input.href;
  if (!isSource(input)) return input;
  const { name, size } = input;
  return {
    name,
    size,
    read: (...args: Parameters<typeof input.read>) => input.read(...args),
    close: () => input.close(),
  };
}

let said = false;

function sayWhatIsMissing(): void {
  const threads = threadCapability(detectWasmFeatures());
  if (!said && !threads.available) console.warn(`tandem: one CPU thread only. ${threads.why}`);
  said = true;
}
