import { InvalidArgumentError } from "../../errors.ts";

/** How a token is chosen from the logits; meanings and defaults are those of llama.cpp. */
export interface SamplerOptions {
  /** Divides the logits before the draw: below 1 surer, above 1 more varied. 0 or less: always the likeliest token. Default 0.8. */
  temperature?: number;
  /** Keep this many of the likeliest tokens; 0 or less keeps all. Default 40. */
  topK?: number;
  /** Keep the likeliest tokens up to this total probability; 1 keeps all, 0 the likeliest. Default 0.95. */
  topP?: number;
  /** Keep tokens at least this many times as likely as the likeliest; 0 keeps all. Default 0.05. */
  minP?: number;
  /** Keep the tokens whose surprise is closest to the expected one, up to this total probability; 1 keeps all. Default 1. */
  typicalP?: number;
  /** Divides the positive logits of recent tokens and multiplies the negative ones; 1 is off. Default 1. */
  repeatPenalty?: number;
  /** How many accepted tokens the three penalties look back on; 0 for none, -1 for all. Default 64. */
  repeatLastN?: number;
  /** Taken from the logit of every recent token. Default 0. */
  presencePenalty?: number;
  /** Taken from the logit of a recent token once for each time it occurs. Default 0. */
  frequencyPenalty?: number;
  /** Added to the logits of tokens, by id; -Infinity bans a token, Infinity forces it. */
  logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** An integer from 0 to 2^32 - 1. Default random; `Sampler.seed` tells it. */
  seed?: number;
}

export interface ResolvedOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  typicalP: number;
  repeatPenalty: number;
  repeatLastN: number;
  presencePenalty: number;
  frequencyPenalty: number;
  logitBias: ReadonlyMap<number, number>;
  seed: number;
}

const DEFAULTS = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  repeatPenalty: 1,
  repeatLastN: 64,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

type Numbers = typeof DEFAULTS;

const fraction = { wanted: "a number from 0 to 1", holds: (value: number) => value >= 0 && value <= 1 };
const finite = { wanted: "a finite number", holds: Number.isFinite };

const RULES: Record<keyof Numbers, { wanted: string; holds: (value: number) => boolean }> = {
  temperature: { wanted: "a finite number (0 for the likeliest token)", holds: Number.isFinite },
  topK: { wanted: "an integer (0 keeps all tokens)", holds: Number.isInteger },
  topP: fraction,
  minP: fraction,
  typicalP: fraction,
  repeatPenalty: { wanted: "a finite number above 0 (1 is off)", holds: (value) => value > 0 && Number.isFinite(value) },
  repeatLastN: { wanted: "an integer of at least -1", holds: (value) => Number.isInteger(value) && value >= -1 },
  presencePenalty: finite,
  frequencyPenalty: finite,
};

/** Fills in the defaults. @throws InvalidArgumentError naming the option, what was wanted and what came. */
export function resolveOptions(options: SamplerOptions, vocabularySize: number): ResolvedOptions {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 1) throw invalid("vocabularySize", "an integer above 0", vocabularySize);
  const numbers: Numbers = { ...DEFAULTS };
  for (const name of Object.keys(RULES) as (keyof Numbers)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const rule = RULES[name];
    if (typeof value !== "number" || !rule.holds(value)) throw invalid(name, rule.wanted, value);
    numbers[name] = value;
  }
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw invalid("seed", "an integer from 0 to 4294967295", seed);
  return { ...numbers, logitBias: resolveBias(options.logitBias, vocabularySize), seed };
}

function resolveBias(bias: SamplerOptions["logitBias"], vocabularySize: number): Map<number, number> {
  if (bias === undefined) return new Map();
  if (typeof bias !== "object" || bias === null) throw invalid("logitBias", "a Map or an object from token ids to numbers", bias);
  const entries: [unknown, unknown][] = bias instanceof Map ? [...bias] : Object.entries(bias);
  const resolved = new Map<number, number>();
  for (const [key, value] of entries) {
    const token = Number(key);
    if (!Number.isInteger(token) || token < 0 || token >= vocabularySize) {
      throw invalid("logitBias", `a mapping of token ids from 0 to ${vocabularySize - 1}`, `the id ${key}`);
    }
    if (typeof value !== "number" || Number.isNaN(value)) throw invalid(`logitBias[${token}]`, "a number, -Infinity or Infinity", value);
    resolved.set(token, value);
  }
  return resolved;
}

function invalid(option: string, wanted: string, came: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`${option} must be ${wanted}, got ${String(came)}`);
}
