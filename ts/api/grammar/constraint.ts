import type { StreamDecoder } from "../../text/stream-decoder.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { GenerationRequest } from "../generator.ts";
import type { TokenMask } from "./token-mask.ts";

export interface ConstraintOptions {
  /** Texts of the answer, one after the other, behind which the grammar begins. Default none: it begins at once. */
  readonly after?: readonly string[];
  /** Whether the answer is free again where the grammar's text is whole, until the last of `after` comes once more. */
  readonly again?: boolean;
}

/** Holds an answer to a grammar, all of it or parts. One for each answer. */
export class Constraint {
  readonly #open: () => TokenMask;
  readonly #decoder: StreamDecoder;
  readonly #again: boolean;
  #markers: readonly string[];
  readonly #last: readonly string[];
  #mask: TokenMask | undefined;
  /** Tokens that may follow, 32 a word; undefined: all. */
  #allowed: Int32Array | undefined;
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

  /** What holds a request's answer. */
  get hooks(): Pick<GenerationRequest, "prepare" | "adjust"> {
    return { prepare: (generated) => this.prepare(generated), adjust: (logits) => this.adjust(logits) };
  }

  /** Finds out which tokens can follow those generated so far. To be awaited before `adjust`; undefined where there is nothing to wait for. */
  prepare(generated: readonly number[]): Promise<void> | undefined {
    const tokens = generated.slice(this.#seen);
    this.#seen = generated.length;
    const held = this.#mask ? tokens : this.#readFree(tokens);
    return this.#mask && this.#follow(this.#mask, held);
  }

  /** Forbids the tokens, in logits f32[V], that cannot follow. */
  adjust(logits: Float32Array): void {
    if (this.#allowed) forbidOthers(logits, this.#allowed);
  }

  dispose(): void {
    this.#disposed = true;
    this.#mask?.dispose();
  }

  async #follow(opened: TokenMask, tokens: readonly number[]): Promise<void> {
    let [mask, held]: [TokenMask | undefined, readonly number[]] = [opened, tokens];
    while (mask && !this.#disposed) {
      // The marker's token may hold what follows it; white space between reasoning and answer is no part of the grammar.
      const [text, trimmed] = [this.#text, this.#text.trimStart()];
      this.#text = "";
      if (text !== "" && !(await mask.acceptText(text)) && trimmed !== "") await mask.acceptText(trimmed);
      const { taken, finished, allowed } = await mask.accept(held);
      this.#allowed = allowed;
      if (!this.#again || !finished) return;
      mask.dispose();
      this.#mask = undefined;
      this.#markers = this.#last;
      held = this.#readFree(held.slice(taken));
      mask = this.#mask;
    }
  }

  /** Reads tokens that are free, up to the marker behind which the mask opens. Returns those that follow it. */
  #readFree(tokens: readonly number[]): readonly number[] {
    for (const [i, token] of tokens.entries()) {
      this.#text += this.#decoder.push(token);
      this.#passMarkers();
      if (this.#mask) return tokens.slice(i + 1);
    }
    return [];
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
  }
}

/** Sets the logits, f32[V], of tokens that are not allowed to -Infinity. */
function forbidOthers(logits: Float32Array, allowed: Int32Array): void {
  for (let i = 0; i < allowed.length; i++) {
    const first = 32 * i;
    if (allowed[i] === 0) {
      while (allowed[i + 1] === 0) i++; // there are long rows of them
      logits.fill(-Infinity, first, 32 * (i + 1));
      continue;
    }
    // One by one, the lowest bit first.
    for (let forbidden = ~allowed[i]!; forbidden !== 0; forbidden &= forbidden - 1) {
      logits[first + 31 - Math.clz32(forbidden & -forbidden)] = -Infinity;
    }
  }
  logits.fill(-Infinity, 32 * allowed.length);
}
