import { DisposedError } from "../errors.ts";
import { checkRange, type ReadOptions, readNew, type Source } from "./source.ts";

/** Bytes already in memory (shared memory allowed) as a source. They are not copied until read: do not change them meanwhile. */
export function memorySource(bytes: Uint8Array, name = "Uint8Array"): Source {
  return new MemorySource(bytes, name);
}

class MemorySource implements Source {
  readonly name: string;
  readonly size: number;
  #bytes: Uint8Array | undefined;

  constructor(bytes: Uint8Array, name: string) {
    this.name = name;
    this.size = bytes.byteLength;
    this.#bytes = bytes;
  }

  read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
    return readNew(this, offset, bytes, options);
  }

  async readInto(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
    checkRange(this, offset, target.byteLength);
    options?.signal?.throwIfAborted();
    if (!this.#bytes) throw new DisposedError(`${this.name}: read after close(): open the bytes again`);
    target.set(this.#bytes.subarray(offset, offset + target.byteLength));
  }

  async close(): Promise<void> {
    this.#bytes = undefined;
  }
}
