import type { LoadProgress } from "../index.ts";
import { Progress, type ProgressStream } from "./progress.ts";
import { showBytes } from "./terminal.ts";

const LABELS = { download: "downloading", verify: "checking", load: "loading" } as const;

/** A bar for each phase of loading. */
export class LoadBars {
  readonly #stream: ProgressStream;
  readonly #now: (() => number) | undefined;
  #phase: LoadProgress["phase"] | undefined;
  #bar: Progress | undefined;

  constructor(stream: ProgressStream = process.stderr, now?: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  readonly update = (progress: LoadProgress): void => {
    const { phase, loadedBytes, totalBytes } = progress;
    if (phase !== this.#phase) {
      this.clear();
      this.#bar = new Progress(this.#stream, LABELS[phase], this.#now);
      this.#phase = phase;
    }
    const note = `${showBytes(loadedBytes)} of ${showBytes(totalBytes)}`;
    if (phase === "load") this.#bar!.update(loadedBytes, totalBytes, note);
    else
      this.#bar!.update(
        loadedBytes,
        totalBytes,
        `${note}, ${showBytes(Math.round(progress.bytesPerSecond))}/s`,
        undefined,
        progress.secondsLeft,
      );
  };

  clear(): void {
    this.#bar?.clear();
  }
}
