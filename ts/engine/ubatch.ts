import { InvalidArgumentError } from "../errors.ts";
import type { Dims } from "../graph/tensor.ts";

/** Tokens to decode for one sequence, after those that it holds. */
export interface DecodeRequest {
  readonly tokens: ArrayLike<number>;
  /** Default 0. */
  readonly sequence?: number;
  /** Of which tokens the logits are wanted: the last (default), all, none, or these indices into `tokens`, rising. */
  readonly logits?: "last" | "all" | "none" | readonly number[];
}

/** Tokens of one sequence within a ubatch. */
export interface Segment {
  readonly sequence: number;
  readonly count: number;
}

/** What runs at once: the tokens of some sequences, those of one adjacent and in order. */
export interface Ubatch {
  readonly tokens: readonly number[];
  readonly sequences: readonly number[];
  /** Place of each token in its sequence, counted from the sequence's length before the decode. */
  readonly offsets: readonly number[];
  /** Indices into `tokens` whose logits are wanted. */
  readonly outputs: readonly number[];
  readonly segments: readonly Segment[];
}

/** Checks requests and cuts them into ubatches of at most `max.T` tokens and `max.O` outputs. Throws InvalidArgumentError. */
export function cutUbatches(requests: readonly DecodeRequest[], vocabularySize: number, max: Dims): Ubatch[] {
  const ubatches: Ubatch[] = [];
  let open = newUbatch();
  const close = () => {
    if (open.tokens.length > 0) ubatches.push(open);
    open = newUbatch();
  };
  const seen = new Set<number>();
  for (const request of requests) {
    const sequence = request.sequence ?? 0;
    if (seen.has(sequence)) throw new InvalidArgumentError(`decode: sequence ${sequence} stands in two requests: put its tokens into one`);
    seen.add(sequence);
    const wanted = wantedIndices(request);
    for (let i = 0; i < request.tokens.length; i++) {
      const token = request.tokens[i]!;
      if (!Number.isInteger(token) || token < 0 || token >= vocabularySize) {
        throw new InvalidArgumentError(`decode: token ${i} of sequence ${sequence} must be 0 to ${vocabularySize - 1}, got ${token}`);
      }
      if (open.tokens.length === max.T || (wanted.has(i) && open.outputs.length === max.O)) close();
      if (wanted.has(i)) open.outputs.push(open.tokens.length);
      const last = open.segments.at(-1);
      if (last?.sequence === sequence) last.count++;
      else open.segments.push({ sequence, count: 1 });
      open.tokens.push(token);
      open.sequences.push(sequence);
      open.offsets.push(i);
    }
  }
  close();
  return ubatches;
}

function newUbatch() {
  return {
    tokens: [] as number[],
    sequences: [] as number[],
    offsets: [] as number[],
    outputs: [] as number[],
    segments: [] as { sequence: number; count: number }[],
  };
}

function wantedIndices({ tokens, logits = "last" }: DecodeRequest): Set<number> {
  const last = tokens.length - 1;
  if (logits === "last") return new Set(last >= 0 ? [last] : []);
  if (logits === "none") return new Set();
  if (logits === "all") return new Set(Array.from({ length: tokens.length }, (_, i) => i));
  logits.forEach((index, i) => {
    if (!Number.isInteger(index) || index > last || index <= (i > 0 ? logits[i - 1]! : -1)) {
      throw new InvalidArgumentError(`decode: logits must be rising indices from 0 to ${last}, got ${index} at place ${i}`);
    }
  });
  return new Set(logits);
}
