/** A point of the live chart. Seconds since the log began; tokens a second; tokens since the log began. */
export interface SpeedPoint {
  readonly seconds: number;
  readonly pp: number | null;
  readonly tg: number | null;
  readonly tokens: number;
}

/** Speeds are those of so long, so that single slow tokens do not hide them. */
const WINDOW_MS = 1000;
const KEPT_POINTS = 2000;

/** Prompt tokens read and tokens generated, as points for a chart. */
export class SpeedLog {
  readonly points: SpeedPoint[] = [];
  #begun: number | undefined;
  #total = 0;
  #phase: "pp" | "tg" = "pp";
  /** Times, in ms, and counts of this phase. */
  #recent: { at: number; total: number }[] = [];

  /** A request begins: its first tokens are the prompt's. */
  begin(now = performance.now()): void {
    this.#begun ??= now;
    this.#enter("pp", now);
    this.#add({ now, pp: null, tg: null });
  }

  read(tokens: number, now = performance.now()): void {
    this.#count("pp", tokens, now);
  }

  generated(tokens: number, now = performance.now()): void {
    this.#count("tg", tokens, now);
  }

  #enter(phase: "pp" | "tg", now: number): void {
    this.#phase = phase;
    this.#recent = [{ at: now, total: this.#total }];
  }

  #count(phase: "pp" | "tg", tokens: number, now: number): void {
    if (tokens === 0) return;
    const changed = phase !== this.#phase;
    this.#total += tokens;
    if (changed)
      this.#enter(phase, now); // the first generated token comes with the end of the prompt
    else this.#recent.push({ at: now, total: this.#total });
    while (this.#recent.length > 2 && now - this.#recent[1]!.at > WINDOW_MS) this.#recent.shift();
    const { at, total } = this.#recent[0]!;
    const speed = now > at ? (1000 * (this.#total - total)) / (now - at) : null;
    this.#add({ now, pp: phase === "pp" ? speed : null, tg: phase === "tg" ? speed : null });
  }

  #add({ now, pp, tg }: { now: number; pp: number | null; tg: number | null }): void {
    if (this.points.length >= KEPT_POINTS) this.points.splice(0, KEPT_POINTS / 4);
    this.points.push({ seconds: (now - (this.#begun ?? now)) / 1000, pp, tg, tokens: this.#total });
  }
}
