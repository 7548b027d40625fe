import { InvalidArgumentError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import type { Pins } from "../schedule/schedule.ts";

export type Device = "cpu" | "gpu";

/** Which parts of a model go to the GPU. */
export interface PlacementOptions {
  /**
   * Layers on the GPU, the last ones first (llama.cpp -ngl). At least the number of layers: the output head goes along. "auto": as many
   * as fit gpuMemory. Default 0.
   */
  readonly gpuLayers?: number | "auto";
  /** Keep the experts of all layers (true, -cmoe) or of the first n layers (-ncmoe) on the CPU. */
  readonly cpuExperts?: boolean | number;
  /**
   * Weights whose name matches go where it says, whatever the above (-ot). The first match counts. States go along: the KV cache with
   * attn_k and attn_v, R with ssm_conv1d, S with ssm_a and ssm_dt.
   */
  readonly tensorOverrides?: readonly { readonly pattern: RegExp | string; readonly device: Device }[];
  /** Most runs of nodes on one device (--max-splits), besides the borders between memories of a CPU model of more than 4 GiB. Default: no limit. */
  readonly maxSplits?: number;
}

/** Targets of the scheduler, in this order. */
export const TARGET: Readonly<Record<Device, number>> = { cpu: 0, gpu: 1 };

/** The weights of routed experts. */
export const EXPERTS = /\.ffn_(gate|up|down|gate_up)_exps\./;

/**
 * Names that an override is held against. What one op reads besides values must share a device, or it could run on none: a match of one
 * name moves them all.
 */
function overrideNames({ name, kind }: Tensor): readonly string[] {
  if (kind === "state") {
    const [, letter, layer] = /^(.*)-(\d+)$/.exec(name)!;
    const beside = letter === "R" ? ["ssm_conv1d.weight"] : letter === "S" ? DECAY : ["attn_k.weight", "attn_v.weight", "attn_qkv.weight"];
    return beside.map((weight) => `blk.${layer}.${weight}`);
  }
  const [whole] = name.split("#"); // rows of one tensor that are weights of their own stay together
  const [, prefix, weight] = /^(blk\.\d+\.)?(.*)$/.exec(whole!)!;
  return DECAY.includes(weight!) ? DECAY.map((one) => `${prefix}${one}`) : [whole!];
}

/** The delta net's per-head vectors, read by one op. */
const DECAY: readonly string[] = ["ssm_a", "ssm_dt.bias"];

/** Where every weight and state lives. */
export function placementPins(config: Config, options: PlacementOptions, gpuLayers: number): Pins {
  const overrides = (options.tensorOverrides ?? []).map(({ pattern, device }) => ({ pattern: new RegExp(pattern), device }));
  const firstOnGpu = Math.max(0, config.L - gpuLayers);
  const cpuExperts = options.cpuExperts === true ? config.L : options.cpuExperts || 0;
  const all = gpuLayers >= config.L;
  const deviceOf = (tensor: Tensor): Device => {
    const { name, kind } = tensor;
    // search, not test: a pattern with the flag g remembers where it stopped
    const override = overrides.find(({ pattern }) => overrideNames(tensor).some((one) => one.search(pattern) >= 0));
    if (override) return override.device;
    const layer = (kind === "state" ? /-(\d+)$/ : /^blk\.(\d+)\./).exec(name)?.[1];
    if (layer === undefined) return all ? "gpu" : "cpu"; // embedding, final norm and head
    if (EXPERTS.test(name) && Number(layer) < cpuExperts) return "cpu";
    return Number(layer) >= firstOnGpu ? "gpu" : "cpu";
  };
  const known = new Map<Tensor, readonly number[]>();
  return (tensor) => {
    const pins = known.get(tensor.storage) ?? [TARGET[deviceOf(tensor)]];
    known.set(tensor.storage, pins);
    return pins;
  };
}

/** Checks the numbers and patterns. Throws InvalidArgumentError. */
export function checkPlacement({ gpuLayers, cpuExperts, tensorOverrides, maxSplits }: PlacementOptions): void {
  const whole = (name: string, value: number, least: number) => {
    if (!Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`${name} must be a whole number >= ${least}, got ${value}`);
  };
  if (gpuLayers !== undefined && gpuLayers !== "auto") whole("gpuLayers", gpuLayers, 0);
  if (typeof cpuExperts === "number") whole("cpuExperts", cpuExperts, 0);
  if (maxSplits !== undefined && maxSplits !== Number.POSITIVE_INFINITY) whole("maxSplits", maxSplits, 1);
  for (const { pattern } of tensorOverrides ?? []) {
    try {
      new RegExp(pattern);
    } catch (cause) {
      throw new InvalidArgumentError(`tensorOverrides: wanted a regular expression, got "${pattern}" (${(cause as Error).message})`, {
        cause,
      });
    }
  }
}

/** Whether anything is wanted on a GPU. */
export function wantsGpu({ gpuLayers, tensorOverrides }: PlacementOptions): boolean {
  return (gpuLayers ?? 0) !== 0 || (tensorOverrides ?? []).some(({ device }) => device === "gpu");
}

/** Bytes that live on the GPU with so many layers there: weights and states, without values. */
export function gpuBytes(model: ModelGraph, pins: Pins): number {
  const there = [...model.graph.weights.values(), ...model.graph.states.values()].filter((tensor) => pins(tensor).includes(TARGET.gpu));
  return there.reduce((sum, tensor) => sum + tensorBytes(tensor, { T: 1, O: 1 }), 0);
}

/** The most layers whose weights and states fit `budgetBytes`; 0 when not even one does. */
export function layersThatFit(model: ModelGraph, config: Config, options: PlacementOptions, budgetBytes: number): number {
  for (let layers = config.L; layers > 0; layers--) {
    if (gpuBytes(model, placementPins(config, options, layers)) <= budgetBytes) return layers;
  }
  return 0;
}
