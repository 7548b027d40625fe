import { nextTask } from "../../engine/next-task.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";

/** What grammars must know of a tokenizer, in a form that crosses to their thread: a quarter of a million strings would take a second. */
export interface Vocabulary {
  /** Of all tokens, one after the other. Control tokens have none: they are dropped from answers, and no grammar allows a token without text. */
  readonly bytes: Uint8Array;
  /** Where each token's bytes end. */
  readonly ends: Int32Array;
  /** Tokens that end an answer. */
  readonly stops: readonly number[];
}

/** Tokens between two breaths: a millisecond or two. */
const AT_ONCE = 4096;

/** Reads the tokens a few at a time: streams go on meanwhile. */
export async function vocabularyOf(tokenizer: Tokenizer): Promise<Vocabulary> {
  const size = tokenizer.vocabularySize;
  const ends = new Int32Array(size);
  const tokens: Uint8Array[] = [];
  const stops: number[] = [];
  let length = 0;
  for (let token = 0; token < size; token++) {
    if (token % AT_ONCE === AT_ONCE - 1) await nextTask();
    if (!tokenizer.isControl(token)) tokens.push(tokenizer.tokenBytes(token));
    if (tokenizer.isEndOfGeneration(token)) stops.push(token);
    length += tokenizer.isControl(token) ? 0 : tokens.at(-1)!.length;
    ends[token] = length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const token of tokens) {
    bytes.set(token, at);
    at += token.length;
  }
  return { bytes, ends, stops };
}

/** The bytes of a token: a view. */
export function bytesOf({ bytes, ends }: Vocabulary, token: number): Uint8Array {
  return bytes.subarray(token === 0 ? 0 : ends[token - 1]!, ends[token]!);
}
