/** -ln of the probability that the softmax of a row of logits gives a token, in double precision. */
export function negativeLogLikelihood(logits: ArrayLike<number>, token: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > most) most = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - most);
  return Math.log(sum) + most - logits[token]!;
}

/** Perplexity over the scores so far: exp of their mean, and its standard error. */
export class RunningPerplexity {
  count = 0;
  #sum = 0;
  #squares = 0;

  add(score: number): void {
    this.count++;
    this.#sum += score;
    this.#squares += score * score;
  }

  get perplexity(): number {
    return Math.exp(this.#sum / this.count);
  }

  /** The standard error of the mean score, carried over to the perplexity; 0 for fewer than two scores. */
  get error(): number {
    if (this.count < 2) return 0;
    const mean = this.#sum / this.count;
    const variance = Math.max(0, this.#squares / this.count - mean * mean);
    return this.perplexity * Math.sqrt(variance / (this.count - 1));
  }
}

/** Tokens [begin, end) of a chunk that are decoded together. */
export interface ChunkPiece {
  readonly begin: number;
  readonly end: number;
  /** Whose logits are wanted, counted from `begin`. */
  readonly logits: readonly number[];
}

/**
 * How a chunk of `contextLength` tokens is decoded: the second half is scored, each token by the logits of the one before it, so
 * logits are wanted from contextLength / 2 to contextLength - 2, and the last token is not decoded at all.
 *
 * @param batch Tokens of a piece at most.
 * @param maxRows Rows of logits of a piece at most: of a large vocabulary, half a chunk of them would be a gigabyte.
 */
export function chunkPieces(contextLength: number, batch: number, maxRows: number): ChunkPiece[] {
  const firstScored = Math.floor(contextLength / 2);
  const pieces: ChunkPiece[] = [];
  for (let begin = 0; begin < contextLength - 1; ) {
    const scoredFrom = Math.max(begin, firstScored);
    const end = Math.min(begin + batch, scoredFrom + maxRows, contextLength - 1);
    const logits = Array.from({ length: Math.max(0, end - scoredFrom) }, (_, i) => scoredFrom - begin + i);
    pieces.push({ begin, end, logits });
    begin = end;
  }
  return pieces;
}
