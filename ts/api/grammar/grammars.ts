import { DisposedError, InvalidArgumentError } from "../../errors.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { GrammarThread } from "./grammar-thread.ts";
import { TokenMask } from "./token-mask.ts";
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts";

/** A second thread compiles while masks of the first are in use: each has the vocabulary in its own WebAssembly memory. */
const THREADS = 2;

/** Grammars for a model's answers, compiled by xgrammar in threads of its own, which start when the first one is asked for. */
export class Grammars {
  readonly #tokenizer: Tokenizer;
  #vocabulary: Promise<Vocabulary> | undefined;
  #threads: GrammarThread[] = [];
  #disposed = false;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * Compiles a grammar (EBNF, from its rule `root`). The function that comes back opens a mask at its start, one for each answer.
   * @param open Whether the grammar is a part of the answer: it is over when its text is whole, not when generation ends.
   * @param signal Ends the wait with its reason; the grammar is compiled all the same, for the next one who asks.
   * @throws InvalidArgumentError for a grammar that cannot be read, BackendError where its thread fails, DisposedError.
   */
  async compile(grammar: string, { open = false, signal }: { open?: boolean; signal?: AbortSignal } = {}): Promise<() => TokenMask> {
    const refused = await this.#threadFor(grammar).compile(grammar, signal);
    if (refused !== undefined) throw new InvalidArgumentError(`grammar: xgrammar cannot read it: ${refused}: correct the grammar`);
    return () => new TokenMask(() => this.#threadFor(grammar), grammar, open, this.#tokenizer);
  }

  /** Ends the threads; masks that are open reject with a DisposedError. Twice is fine. */
  dispose(): void {
    this.#disposed = true;
    for (const thread of this.#threads.splice(0)) thread.end(new DisposedError("grammar: the model was disposed: load it again"));
  }

  /** The thread that has a grammar, or else the one in which least waits while it is compiled. */
  #threadFor(grammar: string): GrammarThread {
    if (this.#disposed) throw new DisposedError("grammar: the model was disposed: load it again");
    this.#threads = this.#threads.filter(({ ended }) => !ended);
    const having = this.#threads.find((thread) => thread.has(grammar));
    if (having) return having;
    const least = [...this.#threads].sort((a, b) => a.load - b.load)[0];
    if (least && (least.load === 0 || this.#threads.length === THREADS)) return least;
    this.#vocabulary ??= vocabularyOf(this.#tokenizer);
    const thread = new GrammarThread(this.#vocabulary);
    this.#threads.push(thread);
    return thread;
  }
}
