import { InvalidArgumentError } from "../errors.ts";
import { type Preset, type PresetName, presets } from "./presets.ts";
import { type Quant, quants } from "./quants.ts";

export interface SynthOptions {
  readonly preset: PresetName;
  /** Format of the weights, or a mix as llama.cpp makes it. Default Q4_K_M. */
  readonly quant?: Quant;
  /** Layers in place of the preset's, the multi-token-prediction layer not counted. */
  readonly layers?: number;
  /** Experts in place of the preset's; as many are used as before, at most all. */
  readonly experts?: number;
  /** Tokens in the vocabulary in place of the preset's: 256 bytes, 3 control tokens, and fillers. */
  readonly vocab?: number;
  /** The same seed and options give the same bytes. Default 0. */
  readonly seed?: number;
  /** How a qwen3next file keeps a delta net's projections: attn_qkv + attn_gate (default), or all in ssm_in as older files do. */
  readonly layout?: "split" | "packed";
  /** Write the experts' gate and up as one tensor, ffn_gate_up_exps. */
  readonly fusedExperts?: boolean;
  /** Add a multi-token-prediction layer (qwen35, qwen35moe). */
  readonly mtp?: boolean;
  readonly onProgress?: (progress: SynthProgress) => void;
  readonly signal?: AbortSignal;
}

export interface SynthProgress {
  readonly writtenBytes: number;
  readonly totalBytes: number;
  /** The tensor that is being written. */
  readonly tensor: string;
}

/** A preset with the options worked in, checked. */
export interface Sizes extends Preset {
  readonly preset: PresetName;
  readonly quant: Quant;
  readonly seed: number;
  readonly layout: "split" | "packed";
  readonly fusedExperts: boolean;
  readonly mtp: boolean;
}

/** 256 bytes and <|endoftext|>, <|im_start|>, <|im_end|>. */
export const LEAST_VOCABULARY = 259;
/** As many as the loader takes: ts/models/config.ts. */
const MOST_LAYERS = 1024;
const MOST_EXPERTS = 4096;
/** Four times the largest vocabulary of the family. */
const MOST_VOCABULARY = 2 ** 20;

/** Fills in defaults. Throws InvalidArgumentError naming the option. */
export function resolveSizes(options: SynthOptions): Sizes {
  const preset: Preset | undefined = presets[options.preset];
  if (!preset) throw new InvalidArgumentError(`preset must be one of ${Object.keys(presets).join(", ")}, got ${options.preset}`);
  const { quant = "Q4_K_M", layout = "split", fusedExperts = false, mtp = false } = options;
  if (!quants.includes(quant)) throw new InvalidArgumentError(`quant must be one of ${quants.join(", ")}, got ${quant}`);
  const { architecture } = preset;
  if (layout === "packed" && architecture !== "qwen3next")
    throw new InvalidArgumentError(`layout packed exists in qwen3next only, not in ${architecture}`);
  if (mtp && architecture === "qwen3next")
    throw new InvalidArgumentError("mtp: qwen3next files have no multi-token-prediction layer: use qwen35 or qwen35moe");
  if (preset.X === 0 && (fusedExperts || options.experts !== undefined)) {
    throw new InvalidArgumentError(`${fusedExperts ? "fusedExperts" : "experts"}: ${options.preset} has no experts: leave it out`);
  }
  const X = preset.X > 0 ? whole("experts", options.experts ?? preset.X, 1, MOST_EXPERTS) : 0;
  return {
    ...preset,
    ...{ preset: options.preset, quant, layout, fusedExperts, mtp, X, U: Math.min(preset.U, X) },
    L: whole("layers", options.layers ?? preset.L, 1, MOST_LAYERS),
    V: whole("vocab", options.vocab ?? preset.V, LEAST_VOCABULARY, MOST_VOCABULARY),
    seed: whole("seed", options.seed ?? 0, 0, 2 ** 32 - 1),
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`${name} must be a whole number from ${least} to ${most}, got ${value}`);
}
