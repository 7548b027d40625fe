import type { Command } from "commander";
import { planBanks } from "../engine/banks.ts";
import { resolveContext } from "../engine/context-options.ts";
import { examine, type ModelParts } from "../engine/examine.ts";
import { contextBytes, scheduleModel } from "../engine/executor.ts";
import { imaginedCpu } from "../engine/machine.ts";
import { tensorBytes } from "../graph/bytes.ts";
import { type ContextOptions, GgufError, type GgufFile, OutOfMemoryError, openGguf, TandemError } from "../index.ts";
import { buildModel, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { EXIT, UsageError } from "./errors.ts";
import { jsonReport, printReport } from "./inspect-report.ts";
import { modelPath } from "./load.ts";
import {
  addContextOptions,
  addOutputOptions,
  type ContextFlags,
  contextOptions,
  type ModelFlags,
  modelOption,
  type OutputFlags,
} from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** What a context of this model takes. */
export interface MemoryNeed {
  readonly contextLength: number;
  readonly ubatch: number;
  readonly cacheTypeK: string;
  readonly cacheTypeV: string;
  readonly weights: number;
  readonly kvCache: number;
  readonly recurrentState: number;
  readonly compute: number;
  readonly sum: number;
  /** Weights and states in each WebAssembly memory, or why they cannot be placed when all of them are on the CPU. */
  readonly banks: readonly number[] | string;
}

/** What a file turns out to be. */
export type Runnable =
  | { readonly runs: true; readonly config: Config; readonly nodes: number; readonly memory: MemoryNeed }
  | { readonly runs: false; readonly reason: string; readonly damaged: boolean };

type InspectFlags = ContextFlags & OutputFlags & Pick<ModelFlags, "model">;

export function addInspect(program: Command, terminal: Terminal): void {
  const command = program.command("inspect").description("what is in a GGUF file, and the memory it will need");
  command.argument("[model]", "GGUF file; default: the example model of this repository");
  command.addOption(modelOption());
  addContextOptions(command, "what the model was trained for, at most 4096");
  addOutputOptions(command, "print one JSON object");
  command.action((path: string | undefined) => inspect(path, command.opts<InspectFlags>(), terminal));
}

async function inspect(path: string | undefined, flags: InspectFlags, terminal: Terminal): Promise<void> {
  if (path !== undefined && flags.model !== undefined) throw new UsageError("wanted one model, got a word and -m: leave one of them away");
  const file = await openGguf(modelPath(path ?? flags.model, terminal), { signal: terminal.signal });
  try {
    const runnable = tryModel(file, flags);
    terminal.print(flags.json ? `${JSON.stringify(jsonReport(file, runnable))}\n` : printReport(file, runnable));
    if (!runnable.runs && runnable.damaged) process.exitCode = EXIT.failed;
  } finally {
    await file.close();
  }
}

/** Whether the file runs here, and at what cost. A file of another kind is no error: that is what one inspects files for. */
function tryModel(file: GgufFile, flags: InspectFlags): Runnable {
  if (!file.metadata.has("general.architecture")) {
    return { runs: false, damaged: false, reason: "it names no general.architecture: it is no language model, or a later shard of one" };
  }
  let parts: ModelParts;
  try {
    parts = examine(file);
  } catch (error) {
    if (!(error instanceof TandemError)) throw error;
    return { runs: false, damaged: error instanceof GgufError, reason: error.message };
  }
  const memory = memoryNeed(file, parts, contextOptions(flags, parts.config));
  return { runs: true, config: parts.config, nodes: parts.graph.graph.nodes.length, memory };
}

function memoryNeed(file: GgufFile, { architecture, config }: ModelParts, options: ContextOptions): MemoryNeed {
  const { shape } = resolveContext(config, options);
  const model = buildModel(architecture, file, config, shape);
  const weights = [...model.graph.weights.values()].reduce((sum, weight) => sum + tensorBytes(weight, shape.max), 0);
  const bytes = contextBytes(model, scheduleModel(model, imaginedCpu, shape.max), shape.max);
  const sum = weights + bytes.kvCache + bytes.recurrentState + bytes.compute;
  const { contextLength, cacheTypeK, cacheTypeV } = shape;
  return { contextLength, ubatch: shape.max.T, cacheTypeK, cacheTypeV, weights, ...bytes, sum, banks: tryBanks(model, config) };
}

function tryBanks(model: ModelGraph, config: Config): MemoryNeed["banks"] {
  try {
    return planBanks(model, config, imaginedCpu.pins).bytes;
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    return error.message;
  }
}
