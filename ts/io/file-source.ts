import type { FileHandle } from "node:fs/promises";
import { CapabilityError, DisposedError, GgufError, InvalidArgumentError } from "../errors.ts";
import { checkRange, READ_BLOCK_BYTES, type ReadOptions, readNew, type Source, shortRead } from "./source.ts";

/**
 * Opens a file of the local file system (Node, Deno, Bun, Electron's main process).
 * InvalidArgumentError when the path cannot be opened or is no regular file, CapabilityError where there is no file system.
 */
export async function openFileSource(path: string | URL): Promise<Source> {
  const name = path instanceof URL ? path.href : path;
  const fs = await fileSystem(name);
  try {
    // Before open(): opening a named pipe would wait for a writer for ever.
    if (!(await fs.stat(path)).isFile()) throw new InvalidArgumentError(`${name}: wanted a file, got a folder or a device: give a file`);
    const handle = await fs.open(path, "r");
    try {
      return new FileSource(name, (await handle.stat()).size, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`${name}: cannot be opened (${reason}): check the path and its permissions`, { cause: error });
  }
}

async function fileSystem(name: string): Promise<typeof import("node:fs/promises")> {
  // Not a literal: bundlers for the browser must neither resolve nor refuse it.
  const specifier: string = "node:fs/promises";
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ specifier);
  } catch (cause) {
    throw new CapabilityError(`${name}: there is no file system here to open a path with: pass a File or a Blob`, { cause });
  }
}

class FileSource implements Source {
  readonly name: string;
  readonly size: number;
  #handle: FileHandle | undefined;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.#handle = handle;
  }

  read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    return readNew(this, offset, bytes, options);
  }

  // Node and Deno read straight into shared memory, so weights need no second copy.
  async readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    checkRange(this, offset, target.byteLength);
    for (let done = 0; done < target.byteLength; ) {
      options?.signal?.throwIfAborted();
      const wantedBytes = Math.min(READ_BLOCK_BYTES, target.byteLength - done);
      const gotBytes = await this.#readBlock(target, done, wantedBytes, offset + done);
      if (gotBytes === 0) throw shortRead(this.name, offset + done, wantedBytes, 0);
      done += gotBytes;
    }
    options?.signal?.throwIfAborted();
    if (!this.#handle) throw this.#closed();
  }

  async #readBlock(target: Uint8Array, at: number, bytes: number, position: number): Promise<number> {
    if (!this.#handle) throw this.#closed();
    try {
      return (await this.#handle.read(target, at, bytes, position)).bytesRead;
    } catch (cause) {
      if (!this.#handle) throw this.#closed();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new GgufError(`${this.name}: wanted ${bytes} bytes at byte ${position}, got "${reason}": check the disk`, { cause });
    }
  }

  #closed(): DisposedError {
    return new DisposedError(`${this.name}: read after close(): open the file again`);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}
