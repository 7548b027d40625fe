/** A step while streams run: what they wait for their next token when a prompt is read beside them. */
const SHARED_STEP_MS = 100;
/** A step that nobody waits for: what an abort or a new request waits at most. */
const LONE_STEP_MS = 1000;
/** Prompt tokens that a step reads at least: a slow machine must get on too. */
const LEAST_TOKENS = 8;
/** How much an older step counts against the next one. */
const MEMORY = 0.8;

/** How many prompt tokens a step may read, from the time that earlier ones took. */
export class Pace {
  readonly #most: number;
  // A guess, low and soon outweighed: 64 tokens a second.
  #tokens = 6.4;
  #milliseconds = 100;

  /** `most` tokens run at once. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Beside `running` streams of a token each. With them it is a power of two: a backend prepares every other number of tokens anew. */
  promptTokens(running: number): number {
    const goal = (this.#tokens / this.#milliseconds) * (running > 0 ? SHARED_STEP_MS : LONE_STEP_MS);
    const step = Math.min(this.#most, 2 ** Math.floor(Math.log2(Math.max(1, goal))));
    return Math.max(LEAST_TOKENS, step - running);
  }

  /** A step of so many tokens, of prompts and streams, took so long. */
  took(tokens: number, milliseconds: number): void {
    this.#tokens = MEMORY * this.#tokens + tokens;
    this.#milliseconds = MEMORY * this.#milliseconds + milliseconds;
  }
}
