import { BackendError } from "../../errors.ts";
import { type HostArgs, type HostMethod, type HostResult, KEPT, type Response } from "./messages.ts";
import { startThread, type Thread } from "./start-thread.ts";
import type { Vocabulary } from "./vocabulary.ts";

interface Call {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

/** The near side of a GrammarHost in a thread. */
export class GrammarThread {
  /** Masks that are open in it. */
  masks = 0;
  readonly #thread: Promise<Thread>;
  readonly #calls = new Map<number, Call>();
  /** The least recently used first, as the host has them. */
  readonly #grammars = new Set<string>();
  #lastId = 0;
  /** The last call that the host has answered, be its caller still there or not. */
  #answered = 0;
  #ended: Error | undefined;

  constructor(vocabulary: Promise<Vocabulary>) {
    this.#thread = this.#start(vocabulary);
    this.#thread.catch((error: Error) => this.end(error));
  }

  /** Whether it is gone: by `end`, or since it failed. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** What would wait for a grammar that is compiled here. */
  get load(): number {
    return this.masks + this.#lastId - this.#answered;
  }

  /** Whether a grammar is compiled here, or will be. */
  has(grammar: string): boolean {
    return this.#grammars.has(grammar);
  }

  /** Compiles a grammar, unless it is there. Gives the reason where it cannot be read. */
  async compile(grammar: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    this.use(grammar);
    const { refused } = await this.call("compile", [grammar], signal);
    if (refused !== undefined) this.#grammars.delete(grammar);
    return refused;
  }

  /** Notes that a grammar is used. */
  use(grammar: string): void {
    this.#grammars.delete(grammar);
    this.#grammars.add(grammar);
    if (this.#grammars.size > KEPT) this.#grammars.delete(this.#grammars.values().next().value!);
  }

  /** Calls the host. Throws BackendError, what the thread was ended with, or the signal's reason: the host goes on then. */
  call<M extends HostMethod>(method: M, args: HostArgs<M>, signal?: AbortSignal): Promise<HostResult<M>> {
    return new Promise((resolve, reject) => {
      if (this.#ended) throw this.#ended;
      signal?.throwIfAborted();
      const id = ++this.#lastId;
      const onAbort = () => this.#settle(id)?.reject(signal!.reason);
      const forget = () => signal?.removeEventListener("abort", onAbort);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#calls.set(id, {
        resolve: (value) => {
          forget();
          resolve(value as HostResult<M>);
        },
        reject: (reason) => {
          forget();
          reject(reason);
        },
      });
      void this.#with((thread) => {
        thread.post({ id, method, args });
        thread.hold(this.#calls.size > 0);
      });
    });
  }

  /** Ends the thread, and what it was called for. */
  end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    for (const { reject } of this.#calls.values()) reject(reason);
    this.#calls.clear();
    void this.#with((thread) => thread.end());
  }

  async #start(vocabulary: Promise<Vocabulary>): Promise<Thread> {
    const thread = await startThread({
      onResponse: (response) => this.#receive(response),
      onEnd: (reason) => this.end(new BackendError(`grammar: ${reason}: ask again`)),
    });
    thread.post({ vocabulary: await vocabulary });
    return thread;
  }

  #receive(response: Response): void {
    if ("loaded" in response) return;
    this.#answered = response.id;
    const call = this.#settle(response.id);
    if (response.failure === undefined) call?.resolve(response.value);
    else call?.reject(new BackendError(`grammar: ${response.failure}`));
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (this.#calls.size === 0) void this.#with((thread) => thread.hold(false));
    return call;
  }

  /** A thread that did not start has told its callers. */
  #with(work: (thread: Thread) => void): Promise<void> {
    return this.#thread.then(work, () => undefined);
  }
}
