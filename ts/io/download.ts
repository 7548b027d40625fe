import type { Source } from "./source.ts";

/** How far a download has come, all shards together. */
export interface DownloadProgress {
  /** "verify": all bytes are here, and their sha256 is being computed. */
  readonly phase: "download" | "verify";
  /** The file that is being fetched. */
  readonly file: string;
  /** Bytes that are here (or have been verified), those of an earlier try too. */
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** Of late; 0 at the start. */
  readonly bytesPerSecond: number;
  /** Undefined until the speed is known. */
  readonly secondsLeft: number | undefined;
}

export interface DownloadCall {
  readonly signal?: AbortSignal;
  /** Bytes that have come, or have been verified, since the last call. */
  readonly onBytes?: (phase: DownloadProgress["phase"], bytes: number) => void;
}

/** A source whose bytes are far away and can be brought near. */
export interface RemoteSource extends Source {
  /** Bytes that are not near yet. */
  readonly missingBytes: number;
  /** Brings all bytes near, and checks them. Throws NetworkError, IntegrityError, QuotaError, or the signal's reason. */
  download(call: DownloadCall): Promise<void>;
}

/** Reports come no more often than a person can follow; they may have to cross to another thread. */
const REPORT_MS = 100;
/** The speed is that of about so long. */
const SPEED_MS = 3000;

/** Brings near what is far away, one source after the other: each uses the whole line already. Errors: as `RemoteSource.download`. */
export async function downloadAll(
  sources: readonly Source[],
  options: { signal?: AbortSignal; onProgress?: (progress: DownloadProgress) => void } = {},
): Promise<void> {
  const remote = sources.filter((source): source is RemoteSource => "download" in source);
  const totalBytes = remote.reduce((sum, source) => sum + source.size, 0);
  const missingBytes = remote.reduce((sum, source) => sum + source.missingBytes, 0);
  const meters = {
    download: new Meter("download", totalBytes, totalBytes - missingBytes, options.onProgress),
    verify: new Meter("verify", totalBytes, 0, options.onProgress),
  };
  for (const source of remote) {
    if (source.missingBytes > 0) meters.download.add(source.name, 0);
    await source.download({ signal: options.signal, onBytes: (phase, bytes) => meters[phase].add(source.name, bytes) });
  }
}

class Meter {
  readonly #phase: DownloadProgress["phase"];
  readonly #totalBytes: number;
  readonly #report: ((progress: DownloadProgress) => void) | undefined;
  #loadedBytes: number;
  /** Bytes since the last report. */
  #newBytes = 0;
  #reported: number | undefined;
  #bytesPerMs: number | undefined;

  constructor(
    phase: DownloadProgress["phase"],
    totalBytes: number,
    loadedBytes: number,
    report: ((progress: DownloadProgress) => void) | undefined,
  ) {
    this.#phase = phase;
    this.#totalBytes = totalBytes;
    this.#loadedBytes = loadedBytes;
    this.#report = report;
  }

  add(file: string, bytes: number): void {
    const now = performance.now();
    this.#loadedBytes += bytes;
    this.#newBytes += bytes;
    const first = this.#reported === undefined;
    const elapsed = now - (this.#reported ?? now);
    const done = this.#loadedBytes === this.#totalBytes;
    if (!first && !done && elapsed < REPORT_MS) return;
    if (elapsed > 0) {
      const speed = this.#newBytes / elapsed;
      const old = this.#bytesPerMs ?? speed;
      this.#bytesPerMs = old + (speed - old) * (1 - Math.exp(-elapsed / SPEED_MS));
    }
    this.#reported = now;
    this.#newBytes = 0;
    const left = this.#totalBytes - this.#loadedBytes;
    this.#report?.({
      phase: this.#phase,
      file,
      loadedBytes: this.#loadedBytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond: (this.#bytesPerMs ?? 0) * 1000,
      secondsLeft: this.#bytesPerMs ? left / this.#bytesPerMs / 1000 : undefined,
    });
  }
}
