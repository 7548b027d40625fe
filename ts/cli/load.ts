import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Context } from "../engine/context.ts";
import { examine } from "../engine/examine.ts";
import { wantsGpu } from "../engine/placement.ts";
import { type ContextOptions, loadModel, type Model, openGguf, type QueueOptions } from "../index.ts";
import { UsageError } from "./errors.ts";
import { LoadBars } from "./load-bars.ts";
import { type ContextFlags, contextOptions, type ModelFlags, machineOptions, type OutputFlags, placementOptions } from "./options.ts";
import { printable, showBytes, type Terminal } from "./terminal.ts";

const EXAMPLE = "examples/models/qwen3next-mini-q4_k_m.gguf";

/** The model to use: the given path, or the example in this repository. @throws UsageError where there is neither. */
export function modelPath(given: string | undefined, { tell }: Terminal): string {
  if (given !== undefined) return given;
  // This code runs as dist/cli.js, as a chunk beside it, or as ts/cli/load.ts: one of these is the package's root.
  const roots = ["../", "../../", "./"].map((up) => new URL(up, import.meta.url));
  const found = roots.map((root) => fileURLToPath(new URL(EXAMPLE, root))).find((path) => existsSync(path));
  if (!found)
    throw new UsageError(
      "-m/--model: wanted a GGUF file, got none: give a path, an https:// URL, or hf:owner/repo:Q4_K_M of the Hugging Face Hub, which is " +
        "downloaded once (the small example model comes with Tandem's repository, not with the npm package; " +
        "`tandem synth qwen35-0.8b --quant Q4_K -o random.gguf` makes one of random weights)",
    );
  tell("no -m: using the example model (35M parameters, Debian docs), often wrong");
  return found;
}

/** What a model is loaded with; the context counts, as memory is shared out for it. */
export type LoadFlags = ModelFlags & ContextFlags & OutputFlags;

/** Loads with a progress bar and says on stderr what was loaded. @param queue Of chats and completions, where they are used. */
export async function loadWithProgress(
  path: string,
  flags: LoadFlags,
  terminal: Terminal,
  defaultLength?: number,
  queue?: QueueOptions,
): Promise<Model> {
  const wanted = await contextToCome(path, flags, terminal, defaultLength);
  const context = queue ? { ...wanted, sequences: queue.parallel } : wanted;
  const progress = new LoadBars();
  try {
    const model = await loadModel(path, {
      ...machineOptions(flags),
      context,
      queue: queue && { ...wanted, ...queue },
      signal: terminal.signal,
      onProgress: progress.update,
    });
    progress.clear();
    terminal.tell(
      `${printable(model.name, 60)}: ${model.config.architecture}, ${showBytes(model.weightBytes)} of weights, ${model.device}`,
    );
    for (const note of model.notes) terminal.tell(`note: ${printable(note)}`);
    return model;
  } finally {
    progress.clear();
  }
}

/** The context that will be made, for which every memory must have room. `-c 0` is a length that only the file knows. */
async function contextToCome(path: string, flags: LoadFlags, { signal }: Terminal, defaultLength?: number): Promise<ContextOptions> {
  if (flags.ctxSize !== 0) return contextOptions(flags, { trainedContext: 0 }, defaultLength);
  const file = await openGguf(path, { signal });
  try {
    return contextOptions(flags, examine(file).config, defaultLength);
  } finally {
    await file.close();
  }
}

export async function createContext(model: Model, options: ContextOptions, flags: LoadFlags, terminal: Terminal): Promise<Context> {
  const context = await model.createContext(options);
  if (flags.verbose || wantsGpu(placementOptions(flags)))
    terminal.tell(`graph nodes = ${context.graphInfo.nodes}, graph splits = ${context.graphInfo.splits}`);
  if (flags.verbose) {
    const { kvCache, recurrentState, compute } = context.bytes;
    const parts = `KV cache ${showBytes(kvCache)}, recurrent state ${showBytes(recurrentState)}, compute ${showBytes(compute)}`;
    terminal.tell(`context of ${context.shape.contextLength} tokens: ${parts}`);
  }
  return context;
}
