/** The tokens that the penalties look back on: the last `limit` accepted ones, all of them for a limit of -1. */
export class RecentTokens {
  readonly #limit: number;
  readonly #counts = new Map<number, number>();
  // A ring once it is full: `#next` is the oldest.
  #ring: number[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How often each recent token occurs. */
  get counts(): ReadonlyMap<number, number> {
    return this.#counts;
  }

  add(token: number): void {
    if (this.#limit === 0) return;
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    if (this.#limit < 0) return;
    if (this.#ring.length < this.#limit) {
      this.#ring.push(token);
      return;
    }
    this.#forget(this.#ring[this.#next]!);
    this.#ring[this.#next] = token;
    this.#next = (this.#next + 1) % this.#limit;
  }

  clear(): void {
    this.#counts.clear();
    this.#ring = [];
    this.#next = 0;
  }

  clone(): RecentTokens {
    const copy = new RecentTokens(this.#limit);
    for (const [token, count] of this.#counts) copy.#counts.set(token, count);
    copy.#ring = [...this.#ring];
    copy.#next = this.#next;
    return copy;
  }

  #forget(token: number): void {
    const count = this.#counts.get(token)! - 1;
    if (count > 0) this.#counts.set(token, count);
    else this.#counts.delete(token);
  }
}

export interface Penalties {
  repeatPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
}

/** Lowers the logits of recent tokens in place; `logits` is indexed by token id. */
export function applyPenalties(logits: Float32Array, counts: ReadonlyMap<number, number>, penalties: Penalties): void {
  const { repeatPenalty, presencePenalty, frequencyPenalty } = penalties;
  if (repeatPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0) return;
  for (const [token, count] of counts) {
    const logit = logits[token]!;
    // Dividing a negative logit would make the token likelier.
    const repeated = logit <= 0 ? logit * repeatPenalty : logit / repeatPenalty;
    logits[token] = repeated - count * frequencyPenalty - presencePenalty;
  }
}
