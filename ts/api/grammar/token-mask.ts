import { BackendError } from "../../errors.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { Utf8Tokens } from "./utf8.ts";
import type { Binding, GrammarMatcher } from "./xgrammar-binding.ts";

/** Where an answer stands in its grammar, and which tokens may follow. */
export class TokenMask {
  readonly #binding: Binding;
  readonly #matcher: GrammarMatcher;
  readonly #tokenizer: Tokenizer;
  readonly #utf8: Utf8Tokens;
  #utf8State = 0;
  #disposed = false;

  constructor(binding: Binding, matcher: GrammarMatcher, tokenizer: Tokenizer, utf8: Utf8Tokens) {
    this.#binding = binding;
    this.#matcher = matcher;
    this.#tokenizer = tokenizer;
    this.#utf8 = utf8;
  }

  /** Whether the grammar's text is whole and nothing can follow. */
  get finished(): boolean {
    return this.#matcher.IsTerminated();
  }

  /** Goes on by a token. @throws BackendError for one that the mask forbids. */
  accept(token: number): void {
    if (this.#matcher.AcceptToken(token, false)) {
      this.#utf8State = this.#utf8.after(this.#utf8State, token);
      return;
    }
    throw new BackendError(
      `the grammar does not allow token ${token} (${JSON.stringify(this.#tokenizer.decode([token], { special: true }))})`,
    );
  }

  /** Goes on by text that was not masked. Returns whether the grammar allows it. */
  acceptText(text: string): boolean {
    return this.#matcher.AcceptString(text, false);
  }

  /** Sets the logits, f32[V], of tokens that cannot follow to -Infinity. */
  apply(logits: Float32Array): void {
    const size = this.#tokenizer.vocabularySize;
    const vector = this.#matcher.GetNextTokenBitmask(size);
    const words = this.#binding.vecIntToView(vector); // 32 tokens a word, the first in its lowest bit
    for (let word = 0; word < words.length; word++) {
      const allowed = words[word]!;
      if (allowed === -1) continue;
      const first = word * 32;
      if (allowed === 0) logits.fill(-Infinity, first, first + 32);
      else for (let bit = 0; bit < 32; bit++) if (((allowed >>> bit) & 1) === 0) logits[first + bit] = -Infinity;
    }
    logits.fill(-Infinity, size);
    vector.delete();
    this.#utf8.apply(this.#utf8State, logits);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#matcher.delete();
  }
}
