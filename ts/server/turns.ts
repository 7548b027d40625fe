import { QueueFullError } from "../errors.ts";

/** One piece of work after another, in the order in which they came. */
export class Turns {
  readonly #most: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param most Pieces that may wait. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Throws QueueFullError, what the work throws, and the signal's reason where it aborts before the work's turn. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting >= this.#most) throw new QueueFullError(`${this.#waiting} requests wait already: try again later`);
    this.#waiting++;
    const turn = this.#last.then(() => {
      this.#waiting--;
      signal.throwIfAborted();
      return work();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
