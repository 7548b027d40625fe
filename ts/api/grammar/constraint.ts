import type { StreamDecoder } from "../../text/stream-decoder.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { TokenMask } from "./token-mask.ts";

export interface ConstraintOptions {
  /** Texts of the answer, one after the other, behind which the grammar begins. Default none: it begins at once. */
  readonly after?: readonly string[];
  /** Whether the answer is free again where the grammar's text is whole, until the last of `after` comes once more. */
  readonly again?: boolean;
}

/** Holds an answer to a grammar, all of it or parts: `adjust` goes into a GenerationRequest. One for each answer. */
export class Constraint {
  readonly #open: () => TokenMask;
  readonly #decoder: StreamDecoder;
  readonly #again: boolean;
  #markers: readonly string[];
  readonly #last: readonly string[];
  #mask: TokenMask | undefined;
  #text = "";
  #seen = 0;
  #disposed = false;

  constructor(open: () => TokenMask, tokenizer: Tokenizer, { after = [], again = false }: ConstraintOptions = {}) {
    this.#open = open;
    this.#decoder = tokenizer.decoder({ special: true });
    this.#markers = after;
    this.#last = after.slice(-1);
    this.#again = again;
    if (after.length === 0) this.#mask = open();
  }

  /** Forbids the tokens, in logits f32[V], that cannot follow those generated so far. */
  adjust(logits: Float32Array, generated: readonly number[]): void {
    if (this.#disposed) return; // a last step may be under way when its answer is given up
    while (this.#seen < generated.length) this.#accept(generated[this.#seen++]!);
    this.#mask?.apply(logits);
  }

  dispose(): void {
    this.#disposed = true;
    this.#mask?.dispose();
  }

  #accept(token: number): void {
    if (!this.#mask) {
      this.#text += this.#decoder.push(token);
      this.#passMarkers();
      return;
    }
    this.#mask.accept(token);
    if (!this.#again || !this.#mask.finished) return;
    this.#mask.dispose();
    this.#mask = undefined;
    this.#markers = this.#last;
    this.#text = "";
  }

  #passMarkers(): void {
    while (this.#markers.length > 0) {
      const marker = this.#markers[0]!;
      const at = this.#text.indexOf(marker);
      if (at < 0) {
        this.#text = this.#text.slice(-marker.length);
        return;
      }
      this.#text = this.#text.slice(at + marker.length);
      this.#markers = this.#markers.slice(1);
    }
    this.#mask = this.#open();
    // The marker's token may hold what follows it; white space between reasoning and answer is no part of the grammar.
    if (this.#text !== "" && !this.#mask.acceptText(this.#text) && this.#text.trim() !== "") this.#mask.acceptText(this.#text.trimStart());
  }
}
