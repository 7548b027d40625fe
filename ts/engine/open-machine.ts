import type { ExpertStats } from "../backends/wasm/expert-cache.ts";
import type { WebGpuOptions } from "../backends/webgpu/webgpu.ts";
import { CapabilityError, OutOfMemoryError } from "../errors.ts";
import { buildModel, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { type ContextOptions, resolveContext } from "./context-options.ts";
import type { ModelParts } from "./examine.ts";
import { scheduleModel } from "./executor.ts";
import { type Machine, targetOf } from "./machine.ts";
import { type CpuOptions, openCpu } from "./open-cpu.ts";
import { checkPlacement, gpuBytes, layersThatFit, type PlacementOptions, placementPins, TARGET, wantsGpu } from "./placement.ts";

export interface MachineOptions extends PlacementOptions, CpuOptions {
  /** The adapter and its features. */
  readonly gpu?: WebGpuOptions;
  /**
   * Bytes of GPU memory to use at most. WebGPU does not tell what is free: by default the adapter is asked for as much as the model wants,
   * and what it grants counts.
   */
  readonly gpuMemory?: number;
  /** The context that gpuLayers "auto", and the banks of a CPU model larger than 4 GiB, leave room for. Default: the defaults of createContext. */
  readonly context?: ContextOptions;
}

/** A machine that is open, with what to say of it and how to close it. */
export interface OpenMachine {
  readonly machine: Machine;
  /** Layers on the GPU. */
  readonly gpuLayers: number;
  /** Of the CPU, the caller's included. */
  readonly threads: number;
  /** Backends in words. */
  readonly description: string;
  /** Undefined where no experts are paged. */
  expertStats(): ExpertStats | undefined;
  close(): void;
}

/** Opens the backends that the options ask for. Throws CapabilityError, InvalidArgumentError, OutOfMemoryError, SplitBudgetError; nothing stays open then. */
export async function openMachine(
  file: Parameters<typeof buildModel>[1],
  parts: ModelParts,
  options: MachineOptions,
): Promise<OpenMachine> {
  checkPlacement(options);
  const { shape } = resolveContext(parts.config, options.context);
  const graph = buildModel(parts.architecture, file, parts.config, shape);
  if (!wantsGpu(options)) {
    const cpu = await openCpu(graph, parts.config, () => [TARGET.cpu], options);
    return {
      machine: { backends: cpu.backends, targets: cpu.backends.map(targetOf), pins: cpu.pins, page: cpu.page },
      expertStats: cpu.expertStats,
      gpuLayers: 0,
      threads: cpu.threads,
      description: cpu.description,
      close: cpu.close,
    };
  }
  const close: (() => void)[] = [];
  try {
    const [{ WebGpuBackend }, { admittedBytes }] = await Promise.all([
      import("../backends/webgpu/webgpu.ts"),
      import("../backends/webgpu/probe.ts"),
    ]);
    const gpu = await WebGpuBackend.create(options.gpu);
    close.push(() => gpu.close());
    const wanted = gpuBytes(graph, placementPins(parts.config, options, parts.config.L));
    const budget = options.gpuMemory ?? (await admittedBytes(gpu.device, wanted));
    const gpuLayers = chooseLayers(graph, parts.config, options, budget);
    const cpu = await openCpu(graph, parts.config, placementPins(parts.config, options, gpuLayers), options, gpu);
    close.push(cpu.close);
    const { backends, pins, page, expertStats } = cpu;
    const maxSplits = options.maxSplits === undefined ? undefined : options.maxSplits + cpu.borders;
    const machine = { backends, targets: backends.map(targetOf), pins, maxSplits, page };
    scheduleModel(graph, machine, shape.max); // a placement that cannot be had is refused before gigabytes are loaded
    return {
      machine,
      expertStats,
      gpuLayers,
      threads: cpu.threads,
      description: `${cpu.description} + webgpu (${gpu.description}), ${Math.min(gpuLayers, parts.config.L)} of ${parts.config.L} layers, ${mib(budget)} GPU memory admitted`,
      close: () => close.forEach((one) => void one()),
    };
  } catch (error) {
    for (const one of close) one();
    throw error;
  }
}

/** The layers on the GPU, checked against a budget of bytes. Throws CapabilityError, OutOfMemoryError. */
export function chooseLayers(graph: ModelGraph, config: Config, options: PlacementOptions, budget: number): number {
  const wanted = options.gpuLayers ?? 0;
  const fitting = layersThatFit(graph, config, options, budget);
  if (wanted === "auto") {
    if (fitting === 0) throw new CapabilityError(`gpuLayers "auto": not one layer fits ${mib(budget)} of GPU memory: set gpuLayers to 0`);
    return fitting;
  }
  const bytes = gpuBytes(graph, placementPins(config, options, wanted));
  if (bytes > budget) {
    throw new OutOfMemoryError(
      `gpuLayers ${wanted}: ${mib(bytes)} of GPU memory are wanted, ${mib(budget)} are there: ${Math.min(fitting, config.L)} layer(s) fit: ` +
        `set gpuLayers to ${fitting} or "auto", keep experts on the CPU (cpuExperts), or use a shorter context`,
    );
  }
  return wanted;
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
