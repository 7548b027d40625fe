import { type Command, Option } from "commander";
import type { CacheType, ContextOptions } from "../engine/context-options.ts";
import type { MachineOptions } from "../engine/open-machine.ts";
import type { PlacementOptions } from "../engine/placement.ts";
import type { SamplerOptions } from "../engine/sampler.ts";
import type { Config } from "../models/config.ts";
import { UsageError } from "./errors.ts";
import { byteCount, decimal, layerCount, logitBias, oneOf, tensorOverrides, text, valueOption, type Wanted, whole } from "./values.ts";

export interface PlacementFlags {
  readonly gpuLayers?: number | "auto";
  readonly cpuMoe?: boolean;
  readonly nCpuMoe?: number;
  readonly overrideTensor?: NonNullable<PlacementOptions["tensorOverrides"]>;
  readonly maxSplits?: number;
  /** MiB. */
  readonly gpuMemory?: number;
}
export interface ModelFlags extends PlacementFlags {
  readonly model?: string;
  readonly threads?: number;
  readonly expertCache?: number;
  readonly gpuFlags?: string;
  /** True unless --no-…, as commander has it. */
  readonly f16?: boolean;
  readonly subgroups?: boolean;
  readonly subgroupMatrix?: boolean;
}
export interface ContextFlags {
  readonly ctxSize?: number;
  readonly batchSize?: number;
  readonly ubatchSize?: number;
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
}
export interface SamplerFlags {
  readonly temp?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typical?: number;
  readonly repeatPenalty?: number;
  readonly repeatLastN?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly seed?: number;
}
export interface OutputFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

// The ranges are those of the engine (context.ts, samplers/options.ts, wasm.ts), checked here so that the message can name the flag.
const fraction = decimal("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const finite = decimal("a number", () => true);
const cacheType = oneOf<CacheType>("f32", "f16", "q8_0");

export const promptOption = () => valueOption("-p, --prompt <text>", "the prompt", text);
export const fileOption = (description: string) => valueOption("-f, --file <path>", description, text);

export const modelOption = () =>
  valueOption(
    "-m, --model <path>",
    "GGUF file, https:// URL or hf:owner/repo/file.gguf (hf:owner/repo:Q4_K_M); default: the example model of this repository",
    text,
  );

/** What `-t` and `-ub` take: numbers, where a command does not say otherwise. */
export const THREADS = whole(1, 64);
export const UBATCH = whole(1, 2 ** 16);

export function addModelOptions(command: Command, threads: Wanted<unknown> = THREADS): Command {
  command.addOption(modelOption()).addOption(valueOption("-t, --threads <n>", "CPU threads; default: all cores", threads));
  return addPlacementOptions(command)
    .addOption(valueOption("--expert-cache <size>", "leave experts in the file, keep those used last in so much memory, as 2G", byteCount))
    .addOption(
      valueOption("--gpu-flags <flags>", "Dawn's options in Node, ; between them; default: the environment variable DAWN_FLAGS", text),
    )
    .addOption(new Option("--no-f16", "do without 16-bit floats on the GPU"))
    .addOption(new Option("--no-subgroups", "do without subgroups on the GPU"))
    .addOption(new Option("--no-subgroup-matrix", "do without matrix units on the GPU"));
}

/** Where the model's parts go. */
export function addPlacementOptions(command: Command): Command {
  return command
    .addOption(valueOption("--gpu-layers <n>", "layers on the GPU, the last ones first; auto: as many as fit; all; default: 0", layerCount))
    .addOption(new Option("--cpu-moe", "keep the experts of all layers on the CPU"))
    .addOption(valueOption("--n-cpu-moe <n>", "keep the experts of the first n layers on the CPU", whole(0, 2 ** 31 - 1)))
    .addOption(
      valueOption(
        "--override-tensor <pattern=device,...>",
        "weights whose name matches go to the CPU or GPU, as exps=CPU; repeatable, the first match counts",
        tensorOverrides,
      ),
    )
    .addOption(valueOption("--max-splits <n>", "runs of nodes on one device at most; default: no limit", whole(1, 2 ** 31 - 1)))
    .addOption(valueOption("--gpu-memory <MiB>", "GPU memory to use at most; default: what the adapter admits", whole(1, 2 ** 31 - 1)));
}

export function addContextOptions(command: Command, defaultLength: string): Command {
  command.addOption(
    valueOption(
      "-c, --ctx-size <n>",
      `tokens of context; 0: all that the model was trained for; default: ${defaultLength}`,
      whole(0, 2 ** 24),
    ),
  );
  return addBatchOptions(command);
}

/** Everything of a context but its length. */
export function addBatchOptions(command: Command, ubatch: Wanted<unknown> = UBATCH): Command {
  return command
    .addOption(valueOption("-b, --batch-size <n>", "tokens handed to the engine at once; default: 2048", whole(1, 2 ** 20)))
    .addOption(
      valueOption("--ubatch-size <n>", "tokens computed at once: more is faster to a point, and takes memory; default: 512", ubatch),
    )
    .addOption(valueOption("--cache-type-k <type>", "keys in the KV cache: f32, f16 or q8_0; default: f16", cacheType))
    .addOption(valueOption("--cache-type-v <type>", "values in the KV cache: f32, f16 or q8_0; default: f16", cacheType));
}

export function addSamplerOptions(command: Command): Command {
  return command
    .addOption(valueOption("--temp <x>", "temperature; 0: always the likeliest token; default: 0.8", finite))
    .addOption(valueOption("--top-k <n>", "keep the n likeliest tokens; 0: all; default: 40", whole(0, 2 ** 24)))
    .addOption(valueOption("--top-p <x>", "keep the likeliest tokens up to this probability; 1: all; default: 0.95", fraction))
    .addOption(valueOption("--min-p <x>", "keep tokens this likely, relative to the likeliest; 0: all; default: 0.05", fraction))
    .addOption(valueOption("--typical <x>", "keep locally typical tokens up to this probability; 1: all; default: 1", fraction))
    .addOption(
      valueOption(
        "--repeat-penalty <x>",
        "divides the logits of recent tokens; 1: off; default: 1",
        decimal("a number above 0", (x) => x > 0),
      ),
    )
    .addOption(valueOption("--repeat-last-n <n>", "recent tokens that the penalties look at; -1: all; default: 64", whole(-1, 2 ** 24)))
    .addOption(valueOption("--presence-penalty <x>", "taken from the logit of every recent token; default: 0", finite))
    .addOption(valueOption("--frequency-penalty <x>", "taken once for each time that a recent token occurred; default: 0", finite))
    .addOption(valueOption("--logit-bias <token(+/-)bias>", "added to a token's logit, as 15043+1 or 29905-inf; repeatable", logitBias))
    .addOption(valueOption("-s, --seed <n>", "seed of the draws; -1: random; default: -1", whole(-1, 2 ** 32 - 1)));
}

export function addOutputOptions(command: Command, json: string): Command {
  return command
    .addOption(new Option("--json", json))
    .addOption(new Option("--verbose", "say more on stderr: the graph, memory, and where an error came from"));
}

/** What of the model goes where. */
export function placementOptions(flags: PlacementFlags): PlacementOptions & Pick<MachineOptions, "gpuMemory"> {
  return {
    gpuLayers: flags.gpuLayers,
    cpuExperts: flags.cpuMoe || flags.nCpuMoe,
    tensorOverrides: flags.overrideTensor,
    maxSplits: flags.maxSplits,
    gpuMemory: flags.gpuMemory === undefined ? undefined : flags.gpuMemory * 2 ** 20,
  };
}

/** The devices that a model is loaded onto. */
export function machineOptions(flags: ModelFlags, dawnFlags = process.env.DAWN_FLAGS): MachineOptions {
  const { threads, expertCache, f16, subgroups, subgroupMatrix } = flags;
  const split = (flags.gpuFlags ?? dawnFlags ?? "").split(";").map((flag) => flag.trim());
  return { ...placementOptions(flags), threads, expertCache, gpu: { dawnFlags: split.filter(Boolean), f16, subgroups, subgroupMatrix } };
}

/** The engine's options. Needs the model's numbers for `-c 0`. */
export function contextOptions(flags: ContextFlags, config: Pick<Config, "trainedContext">, defaultLength?: number): ContextOptions {
  return {
    contextLength: flags.ctxSize === 0 ? config.trainedContext : (flags.ctxSize ?? defaultLength),
    batch: flags.batchSize,
    ubatch: flags.ubatchSize,
    cacheTypeK: flags.cacheTypeK,
    cacheTypeV: flags.cacheTypeV,
  };
}

/** @throws UsageError for a bias on a token that the model does not have. */
export function samplerOptions(flags: SamplerFlags, vocabularySize: number): SamplerOptions {
  for (const token of flags.logitBias?.keys() ?? []) {
    if (token >= vocabularySize) throw new UsageError(`--logit-bias: wanted a token id from 0 to ${vocabularySize - 1}, got ${token}`);
  }
  return {
    temperature: flags.temp,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    typicalP: flags.typical,
    repeatPenalty: flags.repeatPenalty,
    repeatLastN: flags.repeatLastN,
    presencePenalty: flags.presencePenalty,
    frequencyPenalty: flags.frequencyPenalty,
    logitBias: flags.logitBias,
    seed: flags.seed === -1 ? undefined : flags.seed,
  };
}
