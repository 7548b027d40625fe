import { DisposedError, GgufError } from "../errors.ts";
import { checkRange, READ_BLOCK_BYTES, type ReadOptions, type Source, shortRead } from "./source.ts";

/** A Blob or File (a page's file input, an OPFS file, fs.openAsBlob) as a source. Nothing is read before it is asked for. */
export function blobSource(blob: Blob): Source {
  return new BlobSource(blob);
}

class BlobSource implements Source {
  readonly name: string;
  readonly size: number;
  #blob: Blob | undefined;

  constructor(blob: Blob) {
    const name = (blob as Partial<File>).name;
    this.name = typeof name === "string" && name !== "" ? name : "Blob";
    this.size = blob.size;
    this.#blob = blob;
  }

  async read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    checkRange(this, offset, bytes);
    if (bytes <= READ_BLOCK_BYTES) return this.#readBlock(offset, bytes, options);
    const target = new Uint8Array(bytes);
    await this.readInto(offset, target, options);
    return target;
  }

  async readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    checkRange(this, offset, target.byteLength);
    for (let done = 0; done < target.byteLength; ) {
      const block = await this.#readBlock(offset + done, Math.min(READ_BLOCK_BYTES, target.byteLength - done), options);
      target.set(block, done);
      done += block.byteLength;
    }
  }

  async #readBlock(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    if (!this.#blob) throw new DisposedError(`${this.name}: read after close(): open the file again`);
    let buffer: ArrayBuffer;
    try {
      buffer = await this.#blob.slice(offset, offset + bytes).arrayBuffer();
    } catch (cause) {
      // A File on disk that was changed or removed after it was picked.
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new GgufError(`${this.name}: wanted ${bytes} bytes at byte ${offset}, got "${reason}": pick the file again`, { cause });
    }
    options?.signal?.throwIfAborted();
    if (buffer.byteLength !== bytes) throw shortRead(this.name, offset, bytes, buffer.byteLength);
    return new Uint8Array(buffer);
  }

  async close(): Promise<void> {
    this.#blob = undefined;
  }
}
