import { type GgufFile, openGguf } from "../io/gguf.ts";
import type { SourceInput } from "../io/open-source.ts";
import type { OpenOptions } from "../io/open-url.ts";
import { buildModel, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { reportSchedule, type ScheduleReport } from "../schedule/report.ts";
import { bankPins, planBanks } from "./banks.ts";
import { type ContextOptions, resolveContext } from "./context-options.ts";
import { examine, type ModelParts } from "./examine.ts";
import { scheduleModel } from "./executor.ts";
import { imaginedCpu, imaginedTargets, type Machine } from "./machine.ts";
import { chooseLayers } from "./open-machine.ts";
import { checkPlacement, type PlacementOptions, placementPins, wantsGpu } from "./placement.ts";

export interface ExplainOptions extends PlacementOptions {
  /** Bytes of GPU memory: gpuLayers "auto" fills them, other placements must fit. Default: no limit. */
  readonly gpuMemory?: number;
  readonly context?: ContextOptions;
}

/** Which part of a model would run where. */
export interface Explanation {
  /** Layers on the GPU, at most all. */
  readonly gpuLayers: number;
  readonly report: ScheduleReport;
}

/** A model of which only the header was read. Made by `readModelHeader`. */
export class ModelHeader {
  readonly name: string;
  readonly config: Config;
  /** Bytes of all tensors of the file. */
  readonly dataBytes: number;
  readonly #file: GgufFile;
  readonly #parts: ModelParts;

  /** @internal Use readModelHeader. */
  constructor(file: GgufFile) {
    this.#file = file;
    this.#parts = examine(file);
    this.config = this.#parts.config;
    this.name = file.metadata.optionalString("general.name") ?? file.name;
    this.dataBytes = file.dataBytes;
  }

  /**
   * Schedules the model on a CPU and a GPU that need not be there, with every kernel supported. Throws SplitBudgetError, InvalidArgumentError,
   * OutOfMemoryError and CapabilityError as loading would.
   */
  explain(options: ExplainOptions = {}): Explanation {
    const { architecture, config } = this.#parts;
    const { shape } = resolveContext(config, options.context);
    const model = buildModel(architecture, this.#file, config, shape);
    const { machine, gpuLayers } = imagineMachine(model, config, options);
    const schedule = scheduleModel(model, machine, shape.max);
    const kvCache = new Set(model.layers.flatMap((layer) => (layer.kind === "attention" ? [layer.K, layer.V] : [])));
    const report = reportSchedule({ graph: model.graph, schedule, ...machine, max: shape.max, kvCache });
    return { gpuLayers: Math.min(gpuLayers, config.L), report };
  }
}

/** Reads what a file says of itself, and closes it: to plan with before weights are loaded. Input and errors as `loadModel`'s. */
export async function readModelHeader(input: SourceInput | readonly SourceInput[], options: OpenOptions = {}): Promise<ModelHeader> {
  await using file = await openGguf(input, options);
  return new ModelHeader(file);
}

/** The devices as the options want them, with every kernel there: nothing is opened. */
export function imagineMachine(
  model: ModelGraph,
  config: Config,
  options: ExplainOptions,
): { machine: Pick<Machine, "targets" | "pins" | "maxSplits">; gpuLayers: number } {
  const { maxSplits, gpuMemory = Number.POSITIVE_INFINITY } = options;
  checkPlacement(options);
  const hasGpu = wantsGpu(options);
  const gpuLayers = hasGpu ? chooseLayers(model, config, options, gpuMemory) : 0;
  const pins = hasGpu ? placementPins(config, options, gpuLayers) : imaginedCpu.pins;
  const banks = planBanks(model, config, pins);
  const machine = {
    targets: imaginedTargets(banks.bytes.length, hasGpu),
    pins: bankPins(pins, banks, hasGpu),
    maxSplits: maxSplits === undefined ? undefined : maxSplits + banks.borders,
  };
  return { machine, gpuLayers };
}
