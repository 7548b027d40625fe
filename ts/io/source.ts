import { GgufError, InvalidArgumentError } from "../errors.ts";

/** What a single read may be given. */
export interface ReadOptions {
  /** Stops the read at its next block; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Random access to the bytes of one file, wherever they are. Reads may overlap in time and arrive in any order.
 * A range outside [0, size) throws InvalidArgumentError, a read after close() DisposedError, bytes that do not come GgufError.
 */
export interface Source {
  /** For messages: the path, the File's name, or what else a person would recognise. */
  readonly name: string;
  /** Length in bytes, fixed when the source was opened. */
  readonly size: number;
  /** Exactly `bytes` bytes from `offset`, in a buffer that the caller owns and that is never shared memory. */
  read(offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array>;
  /** Fills `target`, which may lie on a SharedArrayBuffer. Absent where a source has nothing faster than `read`. */
  readInto?(offset: number, target: Uint8Array, options?: ReadOptions): Promise<void>;
  /** Frees what the source holds; a second call does nothing. */
  close(): Promise<void>;
}

/** One system read: large enough to run at the disk's speed, small enough that an abort or a progress bar never waits long. */
export const READ_BLOCK_BYTES = 16 * 1024 * 1024;

/** Fills `target` (shared memory allowed) from any source, block by block. Errors: as `Source`. */
export async function readInto(source: Source, offset: number, target: Uint8Array, options?: ReadOptions): Promise<void> {
  if (source.readInto) return source.readInto(offset, target, options);
  for (let done = 0; done < target.byteLength; ) {
    const wantedBytes = Math.min(READ_BLOCK_BYTES, target.byteLength - done);
    const block = await source.read(offset + done, wantedBytes, options);
    if (block.byteLength !== wantedBytes) throw shortRead(source.name, offset + done, wantedBytes, block.byteLength);
    target.set(block, done);
    done += wantedBytes;
  }
}

/** For implementers of Source that fill memory: `read` by their `readInto`. */
export async function readNew(source: Required<Source>, offset: number, bytes: number, options?: ReadOptions): Promise<Uint8Array> {
  checkRange(source, offset, bytes);
  const target = new Uint8Array(bytes);
  await source.readInto(offset, target, options);
  return target;
}

/** For implementers of Source: throws InvalidArgumentError unless [offset, offset + bytes) lies in a source of `size` bytes. */
export function checkRange(source: Pick<Source, "name" | "size">, offset: number, bytes: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(bytes);
  if (whole && offset >= 0 && bytes >= 0 && offset + bytes <= source.size) return;
  throw new InvalidArgumentError(
    `${source.name}: a read of ${bytes} bytes at byte ${offset} is outside the file: ` +
      `wanted whole numbers with 0 <= offset and offset + bytes <= ${source.size}`,
  );
}

/** For implementers of Source: the file gave fewer bytes than its size promised. */
export function shortRead(name: string, offset: number, wantedBytes: number, gotBytes: number): GgufError {
  return new GgufError(
    `${name}: wanted ${wantedBytes} bytes at byte ${offset}, got ${gotBytes}: ` +
      "the file became shorter while it was open: finish the download and open it again",
  );
}
