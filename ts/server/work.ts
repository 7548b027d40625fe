import { Refusal } from "./refusal.ts";

/** What clients get for reading why their answer ended. */
const LAST_WORDS_MS = 1000;

/** What nginx writes down where the client did not wait for the answer. */
const CLIENT_GONE = 499;

/** A request that is being answered. */
export interface Task {
  /** Aborts when its client has gone, or the server cannot wait any longer. */
  readonly signal: AbortSignal;
  abort(): void;
  end(): void;
}

/** The requests that a server is answering, so that it can stop in good order. */
export class Work {
  readonly #tasks = new Map<Task, AbortController>();
  #draining = false;
  #empty: (() => void) | undefined;

  get active(): number {
    return this.#tasks.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Throws Refusal, with status 503, once the server is stopping. */
  begin(client: AbortSignal): Task {
    if (this.#draining) throw new Refusal(503, "shutting_down", "this server is stopping and takes no more requests: try another one");
    // Not AbortSignal.any: in Node 20 the combined signals of a long-lived one are never freed.
    const controller = new AbortController();
    const forward = () => controller.abort(new Refusal(CLIENT_GONE, "client_closed_request", "the client did not wait for its answer"));
    client.addEventListener("abort", forward, { once: true });
    if (client.aborted) forward();
    const task: Task = {
      signal: controller.signal,
      abort: () => controller.abort(),
      end: () => {
        client.removeEventListener("abort", forward);
        this.#tasks.delete(task);
        if (this.#tasks.size === 0) this.#empty?.();
      },
    };
    this.#tasks.set(task, controller);
    return task;
  }

  /** Refuses new requests, and waits for those that run; after `limitMs` it aborts them. True where all came to their own end. */
  async drain(limitMs: number): Promise<boolean> {
    this.#draining = true;
    if (await this.#emptyWithin(limitMs)) return true;
    const stopped = new Refusal(503, "shutting_down", "the server stopped before this answer was finished");
    for (const controller of this.#tasks.values()) controller.abort(stopped);
    await this.#emptyWithin(LAST_WORDS_MS);
    return false;
  }

  async #emptyWithin(milliseconds: number): Promise<boolean> {
    if (this.#tasks.size === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#empty = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
