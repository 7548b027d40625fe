import type { GgufFile } from "../io/gguf.ts";
import { type Architecture, buildModel, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { identify } from "../models/index.ts";
import { resolveContext } from "./context-options.ts";

/** What a file turns out to be. */
export interface ModelParts {
  readonly architecture: Architecture;
  readonly config: Config;
  /** The graph at the smallest context: which weights there are. */
  readonly graph: ModelGraph;
}

/** Reads a file's keys and checks that every tensor of its graph is there. Throws GgufError, UnsupportedModelError, UnsupportedFormatError. */
export function examine(file: GgufFile): ModelParts {
  const { architecture, config } = identify(file);
  return {
    architecture,
    config,
    graph: buildModel(architecture, file, config, resolveContext(config, { contextLength: 1, ubatch: 1 }).shape),
  };
}

/** What of the file is not used, for a person to read: multi-token-prediction layers, unknown tensors. */
export function unusedNotes(file: GgufFile, { config, graph }: ModelParts): string[] {
  const used = new Set([...graph.weights.sources.values()].map((source) => source.tensor));
  const unused = [...file.tensors.values()].filter((tensor) => !used.has(tensor));
  const isMtp = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1) >= config.L;
  const mtp = unused.filter((tensor) => isMtp(tensor.name));
  const others = unused.filter((tensor) => !isMtp(tensor.name)).map(({ name }) => name);
  const notes: string[] = [];
  if (config.mtpLayers > 0)
    notes.push(`${config.mtpLayers} multi-token-prediction layer(s) skipped (${mtp.length} tensors): they only serve speculative decoding`);
  if (others.length > 0)
    notes.push(`${others.length} tensor(s) not used: ${others.slice(0, 5).join(", ")}${others.length > 5 ? ", …" : ""}`);
  return notes;
}
