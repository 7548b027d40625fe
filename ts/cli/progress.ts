/** Where progress is written: stderr, or what a test puts in its place. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A shorter piece of work shows no bar at all: it would only flicker. */
const QUIET_MS = 150;
/** Redraws are no more frequent than an eye can follow. */
const REDRAW_MS = 100;
/** Without a terminal every step is a line that stays, so they are rare. */
const LINE_MS = 10_000;
const BAR_CELLS = 24;

/** How far a piece of work is: a bar with the time left on a terminal, now and then a plain line elsewhere. */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #label: string;
  readonly #now: () => number;
  readonly #start: number;
  #last: number;
  #drawnLines = 0;

  constructor(stream: ProgressStream, label: string, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#label = label;
    this.#now = now;
    this.#start = now();
    this.#last = this.#start;
  }

  /**
   * @param above A line to be kept above the bar, on terminals only.
   * @param leftSeconds Where the caller knows better than the mean so far.
   */
  update(done: number, total: number, note = "", above?: string, leftSeconds?: number): void {
    const now = this.#now();
    const elapsed = now - this.#start;
    leftSeconds ??= done > 0 ? ((total - done) * elapsed) / done / 1000 : undefined;
    const state = { label: this.#label, fraction: total > 0 ? Math.min(1, done / total) : 1, leftSeconds, note };
    if (!this.#stream.isTTY) {
      if (now - this.#last < LINE_MS) return;
      this.#last = now;
      this.#stream.write(`${plainLine(state)}\n`);
      return;
    }
    if (elapsed < QUIET_MS || (this.#drawnLines > 0 && now - this.#last < REDRAW_MS)) return;
    this.#last = now;
    const columns = this.#stream.columns ?? 80;
    const lines = [...(above === undefined ? [] : [above.slice(0, columns - 1)]), barLine(state, columns)];
    this.#stream.write(`${this.#erase()}${lines.join("\n")}`);
    this.#drawnLines = lines.length;
  }

  /** Takes the bar away, so that other text can be written. The next update draws it again. */
  clear(): void {
    if (this.#drawnLines === 0) return;
    this.#stream.write(this.#erase());
    this.#drawnLines = 0;
  }

  /** Back to the start of the first drawn line, and everything from there erased. */
  #erase(): string {
    const up = this.#drawnLines > 1 ? `\x1b[${this.#drawnLines - 1}A` : "";
    return `\r${up}\x1b[J`;
  }
}

export interface ProgressState {
  readonly label: string;
  readonly fraction: number;
  readonly leftSeconds: number | undefined;
  readonly note: string;
}

/** One line that fits the terminal: a line that wraps could not be erased. */
export function barLine({ label, fraction, leftSeconds, note }: ProgressState, columns: number): string {
  const full = Math.round(fraction * BAR_CELLS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CELLS - full);
  return [label, bar, percent(fraction), note, timeLeft(leftSeconds)]
    .filter(Boolean)
    .join(" ")
    .slice(0, Math.max(0, columns - 1));
}

export function plainLine({ label, fraction, leftSeconds, note }: ProgressState): string {
  return [`${label}: ${percent(fraction).trim()}`, note, timeLeft(leftSeconds)].filter(Boolean).join(", ");
}

function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`.padStart(5);
}

function timeLeft(seconds: number | undefined): string {
  return seconds === undefined ? "" : `${showSeconds(seconds)} left`;
}

/** "8 s", "3 min 20 s", "2 h 5 min". */
export function showSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
