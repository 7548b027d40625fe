import { BackendError } from "../../errors.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { GrammarThread } from "./grammar-thread.ts";
import type { Standing } from "./messages.ts";

let lastId = 0;

/** Where an answer stands in its grammar, and which tokens may follow. It is opened when it is first used. */
export class TokenMask {
  readonly #threadFor: () => GrammarThread;
  readonly #grammar: string;
  readonly #open: boolean;
  readonly #tokenizer: Tokenizer;
  readonly #id = ++lastId;
  #thread: GrammarThread | undefined;
  #disposed = false;

  constructor(threadFor: () => GrammarThread, grammar: string, open: boolean, tokenizer: Tokenizer) {
    this.#threadFor = threadFor;
    this.#grammar = grammar;
    this.#open = open;
    this.#tokenizer = tokenizer;
  }

  /** Goes on by tokens, until a grammar that is a part of the answer is finished. @throws BackendError for one that the grammar forbids. */
  async accept(tokens: readonly number[]): Promise<Standing> {
    const standing = await this.#opened().call("accept", [this.#id, tokens]);
    if (standing.refused === undefined) return standing;
    const text = JSON.stringify(this.#tokenizer.decode([standing.refused], { special: true }));
    throw new BackendError(`the grammar does not allow token ${standing.refused} (${text})`);
  }

  /** Goes on by text that was not masked. Returns whether the grammar allows it. */
  acceptText(text: string): Promise<boolean> {
    return this.#opened().call("acceptText", [this.#id, text]);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#thread) return;
    this.#thread.masks--;
    void this.#thread.call("close", [this.#id]).catch(() => undefined); // its thread has ended, and the mask with it
  }

  #opened(): GrammarThread {
    if (this.#thread) return this.#thread;
    const thread = this.#threadFor();
    thread.use(this.#grammar);
    thread.masks++;
    void thread.call("open", [this.#id, this.#grammar, this.#open]).catch(() => undefined); // the next call fails as well
    this.#thread = thread;
    return thread;
  }
}
