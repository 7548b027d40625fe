import { InvalidArgumentError, UnsupportedModelError } from "../errors.ts";
import type { Format } from "../graph/formats.ts";
import type { ContextShape } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";

/** Element types of the KV cache: 4, 2 and 34 / 32 bytes an element. */
export type CacheType = "f32" | "f16" | "q8_0";

/** What a context holds and how it runs. */
export interface ContextOptions {
  /** Tokens that a sequence can hold (llama.cpp -c). Default: the model's trained length, at most 4096. */
  readonly contextLength?: number;
  /** Sequences kept at once (llama.cpp -np). Default 1. Each has a KV cache of contextLength cells and its own R and S. */
  readonly sequences?: number;
  /** Tokens of one decode after which an abort is looked for at the latest (-b). Default 2048. */
  readonly batch?: number;
  /** Tokens that run at once (-ub). Default 512. More is faster to a point, and takes more memory. */
  readonly ubatch?: number;
  /** Element type of the keys (-ctk) and values (-ctv) in the KV cache. Default f16. */
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  /** Recurrent checkpoints kept a sequence (--ctx-checkpoints). Default 32. Each is as large as R and S of one sequence. */
  readonly checkpoints?: number;
  /** Keep the residual stream after each layer readable: `readResidual`. Costs memory; for tests and probes. */
  readonly keepResiduals?: boolean;
  /** Time every op: `Context.profile`. Costs a few percent of speed; nothing without. */
  readonly profile?: boolean;
}

/** Options with every default filled in. */
export interface ResolvedContext {
  readonly shape: ContextShape;
  readonly batch: number;
  readonly checkpoints: number;
  readonly keepResiduals: boolean;
  readonly profile: boolean;
}

/** Logits of one run take at most this: 512 rows of the 248,320-word vocabulary would be 485 MiB. */
const MAX_LOGITS_BYTES = 64 * 2 ** 20;
/** What a new context holds when nobody says: as much as a chat needs, not the 262,144 cells that the model could. */
const DEFAULT_CONTEXT = 4096;

/** Checks options against a model and fills in defaults. Throws InvalidArgumentError. */
export function resolveContext(config: Config, options: ContextOptions = {}): ResolvedContext {
  const whole = (name: keyof ContextOptions, value: number, least: number, most: number) => {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`${name} must be a whole number from ${least} to ${most}, got ${value}`);
    }
    return value;
  };
  const contextLength = whole("contextLength", options.contextLength ?? Math.min(config.trainedContext, DEFAULT_CONTEXT), 1, 2 ** 24);
  const sequences = whole("sequences", options.sequences ?? 1, 1, 4096);
  const batch = whole("batch", options.batch ?? 2048, 1, 2 ** 20);
  const ubatch = Math.min(whole("ubatch", options.ubatch ?? 512, 1, 2 ** 16), batch, contextLength * sequences);
  const outputs = Math.max(Math.min(ubatch, sequences), Math.min(ubatch, Math.floor(MAX_LOGITS_BYTES / (4 * config.V))));
  const cacheType = (name: "cacheTypeK" | "cacheTypeV"): Format => {
    const type = options[name] ?? "f16";
    if (type !== "f32" && type !== "f16" && type !== "q8_0")
      throw new InvalidArgumentError(`${name} must be f32, f16 or q8_0, got ${type}`);
    if (type === "q8_0" && config.D % 32 !== 0) {
      throw new UnsupportedModelError(`${name} q8_0 needs a head size that 32 divides, this model's is ${config.D}: use f16`);
    }
    return type.toUpperCase() as Format;
  };
  const shape: ContextShape = {
    ...{ contextLength, sequences, cacheTypeK: cacheType("cacheTypeK"), cacheTypeV: cacheType("cacheTypeV") },
    max: { T: ubatch, O: outputs },
  };
  const checkpoints = whole("checkpoints", options.checkpoints ?? 32, 0, 2 ** 16);
  return { shape, batch, checkpoints, keepResiduals: options.keepResiduals ?? false, profile: options.profile ?? false };
}
