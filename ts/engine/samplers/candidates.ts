import { BackendError } from "../../errors.ts";
import type { TopLogits } from "../top-logits.ts";

/**
 * The tokens that may still be drawn, with their logits: the first `count` places of two arrays that live as long as the sampler, so that
 * a draw from 248,320 tokens makes no garbage. Places are ordered by logit only while `sorted` says so; of equal logits the lower id is first.
 */
export class Candidates {
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  count = 0;
  sorted = false;
  readonly #weights: Float64Array;
  #scratch: Candidates | undefined;

  constructor(vocabularySize: number) {
    this.ids = new Int32Array(vocabularySize);
    this.logits = new Float32Array(vocabularySize);
    this.#weights = new Float64Array(vocabularySize);
  }

  /** All tokens, each at the place of its id. @throws BackendError when a logit is NaN. */
  fill(source: Float32Array): void {
    const { ids, logits } = this;
    for (let token = 0; token < source.length; token++) {
      const logit = source[token]!;
      if (Number.isNaN(logit)) throw notANumber(token);
      logits[token] = logit;
      ids[token] = token;
    }
    this.count = source.length;
    this.sorted = false;
  }

  /** The likeliest tokens alone, in order. @throws BackendError when a logit is NaN: it counts as the largest. */
  fillTop({ values, tokens }: TopLogits): void {
    if (Number.isNaN(values[0])) throw notANumber(tokens[0]!);
    this.logits.set(values);
    this.ids.set(tokens);
    this.count = values.length;
    this.sorted = true;
  }

  /** Adds to the logit at a place. An infinite bias decides alone: Infinity + -Infinity would be NaN. */
  bias(place: number, bias: number): void {
    this.logits[place] = Number.isFinite(bias) ? this.logits[place]! + bias : bias;
    this.sorted = false;
  }

  /** Drops the tokens at -Infinity. @throws BackendError when none is left. */
  dropMasked(): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.logits[i]! === -Infinity) continue;
      this.logits[kept] = this.logits[i]!;
      this.ids[kept++] = this.ids[i]!;
    }
    this.count = kept;
    if (kept === 0) {
      throw new BackendError("logits are -Infinity for every token, so none can be drawn: a mask or logitBias bans the whole vocabulary");
    }
  }

  /** Brings the `n` largest to the front, in order, through a heap of n places: V·log n steps at worst, about V in practice. */
  sortFront(n: number): void {
    const size = Math.min(n, this.count);
    for (let i = (size >> 1) - 1; i >= 0; i--) this.#siftDown(i, size);
    for (let i = size; i < this.count; i++) {
      if (!this.#before(i, 0)) continue;
      this.#swap(i, 0);
      this.#siftDown(0, size);
    }
    for (let end = size - 1; end > 0; end--) {
      this.#swap(0, end);
      this.#siftDown(0, end);
    }
    this.sorted = size === this.count;
  }

  /** Keeps the first `n`; they must be in their order if `sorted` is to be true after. */
  keep(n: number, sorted: boolean): void {
    this.count = n;
    this.sorted = sorted;
  }

  max(): number {
    let max = -Infinity;
    for (let i = 0; i < this.count; i++) max = Math.max(max, this.logits[i]!);
    return max;
  }

  /**
   * exp((logit - max) / temperature) of every candidate, and their sum: probabilities before division. Valid until the next call.
   * A token at Infinity leaves all finite ones at 0.
   */
  weights(temperature = 1): { weights: Float64Array; total: number } {
    const max = this.max();
    const weights = this.#weights;
    let total = 0;
    for (let i = 0; i < this.count; i++) {
      const logit = this.logits[i]!;
      const weight = logit === max ? 1 : Math.exp((logit - max) / temperature);
      weights[i] = weight;
      total += weight;
    }
    return { weights, total };
  }

  /** A second set of the same size, for a filter that needs another order; made once, when first asked for. */
  scratch(): Candidates {
    this.#scratch ??= new Candidates(this.ids.length);
    return this.#scratch;
  }

  /** Whether place `a` comes before place `b` in the order. */
  #before(a: number, b: number): boolean {
    const x = this.logits[a]!;
    const y = this.logits[b]!;
    return x > y || (x === y && this.ids[a]! < this.ids[b]!);
  }

  #swap(a: number, b: number): void {
    const { ids, logits } = this;
    const id = ids[a]!;
    const logit = logits[a]!;
    ids[a] = ids[b]!;
    logits[a] = logits[b]!;
    ids[b] = id;
    logits[b] = logit;
  }

  /** Restores the heap whose root is the last in the order. */
  #siftDown(start: number, size: number): void {
    let parent = start;
    for (;;) {
      let last = 2 * parent + 1;
      if (last >= size) return;
      if (last + 1 < size && this.#before(last, last + 1)) last++;
      if (!this.#before(parent, last)) return;
      this.#swap(parent, last);
      parent = last;
    }
  }
}

function notANumber(token: number): BackendError {
  const todo = "a kernel or the model file is damaged; run the same prompt on another backend to tell which";
  return new BackendError(`logits hold NaN at token ${token}: ${todo}`);
}
