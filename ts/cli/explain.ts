import { type Command, Option } from "commander";
import { resolveContext } from "../engine/context-options.ts";
import { examine } from "../engine/examine.ts";
import { scheduleModel } from "../engine/executor.ts";
import { imagineMachine } from "../engine/model-header.ts";
import { type GgufFile, openGguf } from "../index.ts";
import { buildModel, type ContextShape, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { drawSchedule } from "../schedule/picture.ts";
import { printNodes, printSchedule, reportSchedule } from "../schedule/report.ts";
import { UsageError } from "./errors.ts";
import { modelPath } from "./load.ts";
import {
  addContextOptions,
  addOutputOptions,
  addPlacementOptions,
  type ContextFlags,
  contextOptions,
  type ModelFlags,
  modelOption,
  type OutputFlags,
  type PlacementFlags,
  placementOptions,
} from "./options.ts";
import { printable, showBytes, type Terminal } from "./terminal.ts";
import { text, valueOption } from "./values.ts";
import { writeResult } from "./write.ts";

interface ExplainFlags extends PlacementFlags, ContextFlags, OutputFlags, Pick<ModelFlags, "model"> {
  readonly svg?: string;
  readonly nodes?: boolean;
}

export function addExplain(program: Command, terminal: Terminal): void {
  const command = program
    .command("explain")
    .description("which part of a model would run where, what crosses between devices, and the memory of each; needs no GPU");
  command.argument("[model]", "GGUF file; default: the example model of this repository");
  command.addOption(modelOption());
  addPlacementOptions(command);
  addContextOptions(command, "what the model was trained for, at most 4096");
  command.addOption(valueOption("--svg <file>", "draw it: layers down, devices across", text));
  command.addOption(new Option("--nodes", "list every node with its device"));
  addOutputOptions(command, "print one JSON object");
  command.action((path: string | undefined) => explain(path, command.opts<ExplainFlags>(), terminal));
}

async function explain(path: string | undefined, flags: ExplainFlags, terminal: Terminal): Promise<void> {
  if (path !== undefined && flags.model !== undefined) throw new UsageError("wanted one model, got a word and -m: leave one of them away");
  const file = await openGguf(modelPath(path ?? flags.model, terminal), { signal: terminal.signal });
  try {
    const { architecture, config } = examine(file);
    const { shape } = resolveContext(config, contextOptions(flags, config));
    const model = buildModel(architecture, file, config, shape);
    const placement = placementOptions(flags);
    if (placement.gpuLayers === "auto" && placement.gpuMemory === undefined)
      throw new UsageError("--gpu-memory: wanted the MiB that -ngl auto may fill, as no GPU is asked here, got none");
    const { machine, gpuLayers } = imagineMachine(model, config, placement);
    const schedule = scheduleModel(model, machine, shape.max);
    const kvCache = new Set(model.layers.flatMap((layer) => (layer.kind === "attention" ? [layer.K, layer.V] : [])));
    const report = reportSchedule({ graph: model.graph, schedule, ...machine, max: shape.max, kvCache });
    const about = describe(file, config, shape, gpuLayers);
    const nodes = flags.nodes ? printNodes(model.graph, schedule, machine.targets) : undefined;
    if (flags.json) {
      const listed = flags.nodes ? { nodes: listNodes(model, report.splits) } : {};
      terminal.print(`${JSON.stringify({ ...about.facts, ...report, ...listed })}\n`);
    } else terminal.print([`${about.lines.join("\n")}\n`, printSchedule(report, showBytes), nodes].filter(Boolean).join("\n"));
    if (flags.svg !== undefined) await writeResult("--svg", flags.svg, drawSchedule(report, about.title, showBytes));
  } finally {
    await file.close();
  }
}

/** Which model this is, and how much of it goes to the GPU. */
interface About {
  readonly facts: object;
  readonly lines: readonly string[];
  readonly title: string;
}

function describe(file: GgufFile, config: Config, shape: ContextShape, layersWanted: number): About {
  const name = file.metadata.optionalString("general.name") ?? file.name;
  const gpuLayers = Math.min(layersWanted, config.L);
  const { contextLength, cacheTypeK, cacheTypeV } = shape;
  const context = { contextLength, ubatch: shape.max.T, cacheTypeK, cacheTypeV };
  const types = `-ctk ${cacheTypeK.toLowerCase()}, -ctv ${cacheTypeV.toLowerCase()}`;
  return {
    facts: { model: name, architecture: config.architecture, L: config.L, gpuLayers, context },
    title: `${printable(name, 32)}: ${gpuLayers} of ${config.L} layers on the GPU`,
    lines: [
      `${printable(name, 60)}: ${config.architecture}, ${gpuLayers} of ${config.L} layers on the GPU`,
      `context of ${contextLength} tokens (-ub ${shape.max.T}, ${types})`,
    ],
  };
}

function listNodes({ graph }: ModelGraph, splits: ReturnType<typeof reportSchedule>["splits"]): object[] {
  return splits.flatMap(({ index, backend, first, last }) =>
    graph.nodes.slice(first.id, last.id + 1).map(({ id, name, op }) => ({ id, op: op.name, name, backend, split: index })),
  );
}
