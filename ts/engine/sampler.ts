import { InvalidArgumentError } from "../errors.ts";
import { Candidates } from "./samplers/candidates.ts";
import { keepMinP, keepTopK, keepTopP, keepTypicalP } from "./samplers/filters.ts";
import { type ResolvedOptions, resolveOptions, type SamplerOptions } from "./samplers/options.ts";
import { applyPenalties, RecentTokens } from "./samplers/penalties.ts";
import { Random } from "./samplers/random.ts";
import { TOP_LOGITS, type TopLogits } from "./top-logits.ts";

export type { SamplerOptions } from "./samplers/options.ts";

/** A token and its probability after all filters. */
export interface TokenProbability {
  token: number;
  probability: number;
}

/**
 * Chooses tokens from logits, in llama.cpp's order: logit bias, penalties, top-k, typical-p, top-p, min-p, temperature, draw.
 *
 * With a temperature of 0 or less the likeliest token after bias and penalties is chosen, the lowest id of equals, and no filter is applied.
 * Draws come from xoshiro128**: one seed and the same logits give the same tokens.
 */
export class Sampler {
  readonly vocabularySize: number;
  readonly #options: ResolvedOptions;
  readonly #candidates: Candidates;
  #random: Random;
  #recent: RecentTokens;

  /** @throws InvalidArgumentError naming the option, what was wanted and what came. */
  constructor(options: SamplerOptions, vocabularySize: number) {
    this.#options = resolveOptions(options, vocabularySize);
    this.vocabularySize = vocabularySize;
    this.#candidates = new Candidates(vocabularySize);
    this.#random = new Random(this.#options.seed);
    this.#recent = new RecentTokens(this.#options.repeatLastN);
  }

  /** The seed of the draws: the given one, or the random one taken in its place. */
  get seed(): number {
    return this.#options.seed;
  }

  /** Whether the likeliest token is always the one: no temperature, bias or penalty has a say. */
  get greedy(): boolean {
    return this.#options.temperature <= 0 && this.#options.logitBias.size === 0 && !this.#penalises;
  }

  /**
   * Whether a row's 64 largest logits decide: no penalty has a say, biases only lower, and if all biased tokens stand among the 64, enough
   * others do.
   */
  get topOnly(): boolean {
    const { temperature, topK, logitBias } = this.#options;
    const wanted = temperature <= 0 ? 1 : topK;
    const lowers = [...logitBias.values()].every((bias) => bias <= 0);
    return wanted >= 1 && wanted + logitBias.size <= TOP_LOGITS && lowers && !this.#penalises;
  }

  /**
   * Draws the next token; the logits stay as they are. The token counts for the penalties only once it is accepted. The largest logits
   * alone give the same token as all of them where `topOnly`.
   * @throws InvalidArgumentError for logits of another length; BackendError for NaN, or when every token is at -Infinity.
   */
  sample(logits: Float32Array | TopLogits): number {
    const candidates = this.#prepare(logits);
    if (candidates.count === 1) return candidates.ids[0]!;
    const { weights, total } = candidates.weights(this.#options.temperature);
    let left = this.#random.next() * total;
    let last = 0;
    for (let i = 0; i < candidates.count; i++) {
      if (weights[i]! === 0) continue;
      last = i;
      left -= weights[i]!;
      if (left < 0) break;
    }
    return candidates.ids[last]!;
  }

  /** The probabilities from which `sample` would draw now, the likeliest first; they add up to 1. Nothing is drawn. */
  probabilities(logits: Float32Array): TokenProbability[] {
    const candidates = this.#prepare(logits);
    if (!candidates.sorted) candidates.sortFront(candidates.count);
    const { weights, total } = candidates.weights(this.#options.temperature);
    return Array.from(candidates.ids.subarray(0, candidates.count), (token, i) => ({ token, probability: weights[i]! / total }));
  }

  /** Counts a token for the penalties: those of the prompt, if it is to count, and every one that was sampled. */
  accept(token: number): void {
    if (!Number.isInteger(token) || token < 0 || token >= this.vocabularySize) {
      throw new InvalidArgumentError(`token must be an integer from 0 to ${this.vocabularySize - 1}, got ${token}`);
    }
    this.#recent.add(token);
  }

  /** Forgets the accepted tokens and starts the draws anew from the seed. */
  reset(): void {
    this.#recent.clear();
    this.#random = new Random(this.#options.seed);
  }

  /** A sampler that goes on from this one's accepted tokens and draws, by itself. */
  clone(): Sampler {
    const copy = new Sampler(this.#options, this.vocabularySize);
    copy.#random = Random.fromState(this.#random.state);
    copy.#recent = this.#recent.clone();
    return copy;
  }

  /** The candidates that bias, penalties and filters leave; only the temperature is still to come. */
  #prepare(logits: Float32Array | TopLogits): Candidates {
    const { temperature, topK, topP, minP, typicalP } = this.#options;
    const candidates = this.#candidates;
    if (logits instanceof Float32Array) this.#fill(logits);
    else this.#fillTop(logits);
    candidates.dropMasked();
    keepTopK(candidates, temperature <= 0 ? 1 : topK);
    if (temperature <= 0) return candidates;
    keepTypicalP(candidates, typicalP);
    keepTopP(candidates, topP);
    keepMinP(candidates, minP);
    return candidates;
  }

  get #penalises(): boolean {
    const { repeatPenalty, presencePenalty, frequencyPenalty, repeatLastN } = this.#options;
    return repeatLastN !== 0 && (repeatPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0);
  }

  /** All tokens with bias and penalties worked in. */
  #fill(logits: Float32Array): void {
    if (logits.length !== this.vocabularySize) {
      throw new InvalidArgumentError(`logits must be one row of ${this.vocabularySize}, got ${logits.length} values`);
    }
    const candidates = this.#candidates;
    candidates.fill(logits);
    for (const [token, bias] of this.#options.logitBias) candidates.bias(token, bias);
    applyPenalties(candidates.logits, this.#recent.counts, this.#options);
  }

  /** The likeliest tokens with bias worked in. */
  #fillTop(top: TopLogits): void {
    const { logitBias } = this.#options;
    this.#candidates.fillTop(top);
    if (logitBias.size === 0) return;
    top.tokens.forEach((token, place) => {
      const bias = logitBias.get(token);
      if (bias !== undefined) this.#candidates.bias(place, bias);
    });
  }
}
