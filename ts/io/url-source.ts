import { CapabilityError, DisposedError } from "../errors.ts";
import { fetchRange, type RemoteFile } from "./http.ts";
import type { HttpOptions } from "./http-retry.ts";
import { checkRange, type ReadOptions, readNew, type Source } from "./source.ts";

/** Requests at a time: one rarely fills a line with a long round trip; a browser opens six to a host, and the page wants some too. */
export const PARALLEL_REQUESTS = 4;
/** Less is not worth a request of its own. */
export const SMALLEST_REQUEST_BYTES = 1024 * 1024;

/** A file on a server, read by ranges and kept nowhere. */
export class UrlSource implements Source {
  readonly name: string;
  readonly size: number;
  readonly #file: RemoteFile;
  readonly #http: HttpOptions;
  #closed = false;

  /** Throws CapabilityError for a server that gives whole files only. */
  constructor(name: string, file: RemoteFile, http: HttpOptions) {
    if (!file.ranges) {
      throw new CapabilityError(
        `${name}: the server does not give parts of files (HTTP range requests), and nothing may be kept: allow the model cache, ` +
          "or download the file and pass its path",
      );
    }
    this.name = name;
    this.size = file.bytes;
    this.#file = file;
    this.#http = http;
  }

  read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    return readNew(this, offset, bytes, options);
  }

  async readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    checkRange(this, offset, target.byteLength);
    options?.signal?.throwIfAborted();
    if (this.#closed) throw new DisposedError(`${this.name}: read after close(): open it again`);
    const partBytes = Math.max(SMALLEST_REQUEST_BYTES, Math.ceil(target.byteLength / PARALLEL_REQUESTS));
    const parts: number[] = [];
    for (let start = 0; start < target.byteLength; start += partBytes) parts.push(start);
    await together(options?.signal, parts.length, (index, signal) => {
      let at = parts[index]!;
      const end = Math.min(at + partBytes, target.byteLength);
      const take = (chunk: Uint8Array) => {
        target.set(chunk, at);
        at += chunk.length;
      };
      return fetchRange(this.#file, [offset + at, offset + end], this.#http, take, signal);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

/** Does `count` pieces of work, PARALLEL_REQUESTS at a time, the first ones first. When one fails the others are stopped, and its error is thrown. */
export async function together(
  signal: AbortSignal | undefined,
  count: number,
  work: (index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  let next = 0;
  const line = async () => {
    try {
      while (next < count) {
        either.throwIfAborted();
        await work(next++, either);
      }
    } catch (error) {
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_REQUESTS, count) }, line));
  either.throwIfAborted();
}
