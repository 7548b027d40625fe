import type { SamplerOptions } from "../engine/sampler.ts";
import { ContextOverflowError, InvalidArgumentError } from "../errors.ts";
import type { Metadata } from "../io/metadata.ts";
import type { SamplingParams } from "./types.ts";

/** Throws ContextOverflowError for a prompt that leaves no room for an answer. */
export function checkPromptFits(promptTokens: number, contextLength: number): void {
  if (promptTokens <= contextLength) return;
  const todo = `shorten it, or load the model with a contextLength of more than ${promptTokens}`;
  throw new ContextOverflowError(`the prompt has ${promptTokens} tokens, the context holds ${contextLength}: ${todo}`);
}

/** A request's sampling over the file's recommendation (general.sampling.*). @param choice Index of the choice: it shifts the seed. */
export function samplerOptions(params: SamplingParams, metadata: Metadata, choice: number): SamplerOptions {
  const seed = params.seed ?? undefined;
  if (seed !== undefined && !Number.isInteger(seed)) throw new InvalidArgumentError(`seed must be an integer, got ${seed}`);
  const temperature = params.temperature ?? metadata.optionalNumber("general.sampling.temp");
  if (temperature !== undefined && !(temperature >= 0))
    throw new InvalidArgumentError(`temperature must be at least 0, got ${temperature}`);
  return {
    temperature,
    topP: params.top_p ?? metadata.optionalNumber("general.sampling.top_p"),
    topK: params.top_k ?? metadata.optionalNumber("general.sampling.top_k"),
    minP: params.min_p ?? metadata.optionalNumber("general.sampling.min_p"),
    presencePenalty: params.presence_penalty ?? undefined,
    frequencyPenalty: params.frequency_penalty ?? undefined,
    repeatPenalty: params.repetition_penalty ?? undefined,
    logitBias: (params.logit_bias ?? undefined) as SamplerOptions["logitBias"],
    seed: seed === undefined ? undefined : (((seed + choice) % 2 ** 32) + 2 ** 32) % 2 ** 32,
  };
}

/** A whole number that a request may give. Throws InvalidArgumentError. */
export function wholeParam(
  name: string,
  value: number | null | undefined,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const wanted = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `from ${least} to ${most}`;
  throw new InvalidArgumentError(`${name} must be a whole number ${wanted}, got ${value}`);
}

export function stopTexts(stop: string | readonly string[] | null | undefined): readonly string[] {
  const texts = stop === undefined || stop === null ? [] : typeof stop === "string" ? [stop] : stop;
  const wrong = texts.find((text) => typeof text !== "string" || text === "");
  if (wrong !== undefined) throw new InvalidArgumentError(`stop must be texts of at least one character, got ${JSON.stringify(wrong)}`);
  return texts;
}

/** An answer's id, such as `chatcmpl-9f…`. */
export function newId(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll("-", "").slice(0, 24);
}

/** Seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
