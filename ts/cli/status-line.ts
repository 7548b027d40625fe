/** Where a status line is drawn: a terminal. */
export interface StatusStream {
  readonly rows?: number;
  readonly columns?: number;
  write(text: string): unknown;
}

const SAVE = "\x1b7";
const RESTORE = "\x1b8";
/** A redraw is seldom enough not to flicker. */
const REDRAW_MS = 200;

/** The last row of a terminal, kept for a line that changes while text scrolls above it. Begin it where the cursor is at a line's start. */
export class StatusLine {
  readonly #stream: StatusStream;
  readonly #rows: number;
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(stream: StatusStream) {
    this.#stream = stream;
    this.#rows = stream.rows ?? 0;
    // A line feed makes room where the cursor stands in the last row; setting the scrolled rows moves it, so it is saved.
    if (this.#rows > 2) stream.write(`\n\x1b[A${SAVE}\x1b[1;${this.#rows - 1}r${RESTORE}`);
  }

  update(text: string, now = performance.now()): void {
    if (this.#rows <= 2 || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#stream.write(`${SAVE}\x1b[${this.#rows};1H\x1b[2K\x1b[2m${text.slice(0, (this.#stream.columns ?? 80) - 1)}\x1b[0m${RESTORE}`);
  }

  /** Gives the row back. */
  end(): void {
    if (this.#rows > 2) this.#stream.write(`${SAVE}\x1b[${this.#rows};1H\x1b[2K\x1b[r${RESTORE}`);
  }
}
