import type { GeneratedToken } from "./request.ts";

/** Tokens of one request, by where they came from. */
export interface GenerationUsage {
  readonly promptTokens: number;
  /** Of the prompt, those that were not read again. Known once the prompt has a sequence. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

type Result = IteratorResult<GeneratedToken, void>;
const DONE: Result = { value: undefined, done: true };

/**
 * The tokens of one request, as they come. They are made whether or not anybody takes them; returning early (`break`) ends the request.
 * Throws what ended it: the signal's reason, what `prepare` or `adjust` threw, a BackendError, a DisposedError.
 */
export class Generation implements AsyncGenerator<GeneratedToken, void, undefined> {
  readonly usage: GenerationUsage;
  readonly #cancel: () => void;
  readonly #ready: GeneratedToken[] = [];
  readonly #takers: { resolve: (result: Result) => void; reject: (reason: unknown) => void }[] = [];
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;

  /** @internal Made by GenerationQueue.generate. */
  constructor(usage: GenerationUsage, cancel: () => void) {
    this.usage = usage;
    this.#cancel = cancel;
  }

  /** @internal */
  push(token: GeneratedToken): void {
    const taker = this.#takers.shift();
    if (taker) taker.resolve({ value: token, done: false });
    else this.#ready.push(token);
  }

  /** @internal Tokens that are ready are still given, then the failure, once. */
  end(failure?: { readonly reason: unknown }): void {
    this.#ended = true;
    this.#failure = failure;
    for (const taker of this.#takers.splice(0)) this.#settle(taker.resolve, taker.reject);
  }

  next(): Promise<Result> {
    const token = this.#ready.shift();
    if (token) return Promise.resolve({ value: token, done: false });
    return new Promise((resolve, reject) => {
      if (this.#ended) this.#settle(resolve, reject);
      else this.#takers.push({ resolve, reject });
    });
  }

  async return(): Promise<Result> {
    this.#ready.length = 0;
    this.#failure = undefined;
    this.#cancel();
    return DONE;
  }

  async throw(reason: unknown): Promise<Result> {
    await this.return();
    throw reason;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #settle(resolve: (result: Result) => void, reject: (reason: unknown) => void): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) reject(failure.reason);
    else resolve(DONE);
  }
}
