import { DisposedError, IntegrityError } from "../errors.ts";
import type { DownloadCall, RemoteSource } from "../io/download.ts";
import { fetchRange } from "../io/http.ts";
import type { HttpOptions } from "../io/http-retry.ts";
import { checkRange, READ_BLOCK_BYTES, type ReadOptions, readNew } from "../io/source.ts";
import { PARALLEL_REQUESTS, SMALLEST_REQUEST_BYTES, together } from "../io/url-source.ts";
import { type EntryInfo, writeEntry } from "./entry.ts";
import type { Home, StoredFile } from "./home.ts";
import { heldBytes, missingRuns, pieceCount, pieceLength, type Run } from "./pieces.ts";
import { askToPersist, quotaError } from "./quota.ts";
import { openSha256 } from "./sha256.ts";

/** A request of a large file: a round trip of 50 ms is 15 % of it at 100 MB/s. Smaller files are shared out evenly. */
const REQUEST_BYTES = 32 * 1024 * 1024;

export interface CachedSourceParts {
  readonly home: Home;
  readonly key: string;
  readonly info: EntryInfo;
  readonly http: HttpOptions;
}

/** A file on a server as far as it is in the cache: a read fetches the pieces that it misses and keeps them, `download` all of them. */
export class CachedSource implements RemoteSource {
  readonly name: string;
  readonly size: number;
  readonly #home: Home;
  readonly #key: string;
  readonly #http: HttpOptions;
  readonly #file: StoredFile;
  #info: EntryInfo;
  #closed = false;

  /** Throws QuotaError, or what the home throws. */
  static async open(parts: CachedSourceParts): Promise<CachedSource> {
    const file = await parts.home.open(parts.key, parts.info);
    // Somebody may have deleted the file and left what is known of it.
    const complete = parts.info.complete && file.held.every((piece) => piece === 1);
    return new CachedSource({ ...parts, info: { ...parts.info, complete } }, file);
  }

  private constructor({ home, key, info, http }: CachedSourceParts, file: StoredFile) {
    this.name = info.name;
    this.size = info.bytes;
    this.#home = home;
    this.#key = key;
    this.#info = info;
    this.#http = http;
    this.#file = file;
  }

  get missingBytes(): number {
    return this.size - heldBytes(this.#info, this.#file.held);
  }

  read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    return readNew(this, offset, bytes, options);
  }

  async readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    checkRange(this, offset, target.byteLength);
    const { pieceBytes } = this.#info;
    for (let done = 0; done < target.byteLength; ) {
      options?.signal?.throwIfAborted();
      this.#checkOpen();
      const block = target.subarray(done, done + READ_BLOCK_BYTES);
      const at = offset + done;
      await this.#fetch({ first: Math.floor(at / pieceBytes), last: Math.ceil((at + block.byteLength) / pieceBytes) }, options ?? {});
      await this.#file.read(at, block);
      done += block.byteLength;
    }
    options?.signal?.throwIfAborted();
    this.#checkOpen();
  }

  async download(call: DownloadCall): Promise<void> {
    this.#checkOpen();
    if (this.#info.complete) return;
    await askToPersist();
    await this.#fetch({ first: 0, last: pieceCount(this.#info) }, call);
    await this.#verify(call);
    await this.#file.finish();
    this.#info = { ...this.#info, complete: true };
    await writeEntry(this.#home, this.#key, this.#info);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new DisposedError(`${this.name}: read after close(): open it again`);
  }

  /** Sees to it that pieces are held. A server without ranges gives them in order only. */
  async #fetch(within: Run, call: DownloadCall): Promise<void> {
    const { held } = this.#file;
    const { pieceBytes, ranges } = this.#info;
    const share = ((within.last - within.first) * pieceBytes) / PARALLEL_REQUESTS;
    const requestBytes = Math.min(REQUEST_BYTES, Math.max(SMALLEST_REQUEST_BYTES, share));
    let runs = missingRuns(held, within, Math.ceil(requestBytes / pieceBytes));
    if (runs.length === 0) return;
    if (!ranges) runs = [{ first: runs[0]!.first, last: runs.at(-1)!.last }];
    const missing = runs.reduce((sum, run) => sum + this.#runEnd(run) - run.first * pieceBytes, 0);
    const available = await this.#home.availableBytes();
    if (available !== undefined && available < missing) throw quotaError(missing, available);
    await together(call.signal, runs.length, (index, signal) => this.#fetchRun(runs[index]!, { ...call, signal }));
  }

  async #fetchRun(run: Run, { signal, onBytes }: DownloadCall): Promise<void> {
    const buffer = new Uint8Array(this.#info.pieceBytes);
    let piece = run.first;
    let filled = 0;
    const take = async (chunk: Uint8Array) => {
      for (let at = 0; at < chunk.length; ) {
        const wanted = pieceLength(this.#info, piece);
        const part = chunk.subarray(at, at + wanted - filled);
        buffer.set(part, filled);
        at += part.length;
        filled += part.length;
        if (this.#file.held[piece] !== 1) onBytes?.("download", part.length);
        if (filled < wanted) continue;
        await this.#file.write(piece, buffer.subarray(0, wanted));
        piece++;
        filled = 0;
      }
    };
    await fetchRange(this.#info, [run.first * this.#info.pieceBytes, this.#runEnd(run)], this.#http, take, signal);
  }

  /** In bytes of the file. */
  #runEnd(run: Run): number {
    return Math.min(this.size, run.last * this.#info.pieceBytes);
  }

  /** Throws IntegrityError and forgets everything when the bytes are not those that were promised. */
  async #verify({ signal, onBytes }: DownloadCall): Promise<void> {
    const wanted = this.#info.sha256;
    if (wanted === undefined) return;
    const hash = await openSha256();
    const block = new Uint8Array(Math.min(READ_BLOCK_BYTES, this.size));
    for (let offset = 0; offset < this.size; offset += block.byteLength) {
      signal?.throwIfAborted();
      const part = block.subarray(0, this.size - offset);
      await this.#file.read(offset, part);
      hash.update(part);
      onBytes?.("verify", part.byteLength);
    }
    const got = hash.hex();
    if (got === wanted) return;
    await this.close();
    await this.#home.remove(this.#key);
    throw new IntegrityError(
      `${this.name}: wanted sha256 ${wanted}, got ${got}: the download is damaged and was removed from the cache: load it again, ` +
        "and check the sha256 if it comes from elsewhere",
    );
  }
}
