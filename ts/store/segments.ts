import { CapabilityError } from "../errors.ts";
import type { FileShape, StoredFile } from "./home.ts";
import { missingPiece, pieceCount } from "./pieces.ts";
import { noRoom } from "./quota.ts";

/** Of the worker's library, which TypeScript does not load beside the page's. */
interface SyncAccessHandle {
  truncate(bytes: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccessHandle> };

/** A segment that is being written. */
interface Growing {
  readonly first: number;
  readonly handle: SyncAccessHandle;
}

/** A segment of so many bytes is not continued. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
/** Bytes that are read at a time. */
const READ_BYTES = 4 * 1024 * 1024;

/**
 * A model in a folder of OPFS, in segments: pieces that came one after the other lie in a file named after the first of them, and its length
 * tells how many are there. So there is no journal, a write that is never finished (a closed tab) costs one piece, and a segment that is not
 * growing never changes: other tabs and workers can read it. In a worker a segment stays open while it grows, since to open a file takes
 * longer than to write a small piece, and what waits in a connection meanwhile is lost when that breaks. In a page each piece is a segment.
 */
export class SegmentedFile implements StoredFile {
  readonly held: Uint8Array;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #shape: FileShape;
  /** First pieces, in order. */
  readonly #firsts: number[];
  /** By the piece that would come next. */
  readonly #growing = new Map<number, Growing>();

  static async open(folder: FileSystemDirectoryHandle, shape: FileShape): Promise<SegmentedFile> {
    const held = new Uint8Array(pieceCount(shape)).fill(shape.complete ? 1 : 0);
    const firsts: number[] = [];
    for await (const [name, handle] of folder.entries()) {
      if (!/^\d+$/.test(name) || handle.kind !== "file") continue;
      firsts.push(Number(name));
      if (!shape.complete) held.fill(1, Number(name), endOf(shape, Number(name), await (handle as FileSystemFileHandle).getFile()));
    }
    return new SegmentedFile(
      folder,
      shape,
      held,
      firsts.sort((a, b) => a - b),
    );
  }

  private constructor(folder: FileSystemDirectoryHandle, shape: FileShape, held: Uint8Array, firsts: number[]) {
    this.#folder = folder;
    this.#shape = shape;
    this.held = held;
    this.#firsts = firsts;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    this.#endSegments();
    for (let done = 0; done < target.byteLength; ) {
      const part = await this.#readSome(offset + done, Math.min(READ_BYTES, target.byteLength - done));
      target.set(part, done);
      done += part.byteLength;
    }
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    try {
      const segment = this.#growing.get(piece) ?? (await this.#begin(piece));
      this.#growing.delete(piece);
      if ("handle" in segment) this.#append(segment, piece, bytes);
      else await stream(segment, bytes);
    } catch (error) {
      throw inUse(error) ?? (await noRoom(error, bytes.byteLength));
    }
    this.held[piece] = 1;
  }

  async finish(): Promise<void> {
    this.#endSegments();
  }

  async close(): Promise<void> {
    this.#endSegments();
  }

  /** Those of these bytes that the first file has in which there are any. Tabs that downloaded at the same time may have left several. */
  async #readSome(offset: number, bytes: number): Promise<Uint8Array> {
    const { pieceBytes } = this.#shape;
    const piece = Math.floor(offset / pieceBytes);
    for (let i = this.#firsts.findLastIndex((first) => first <= piece); i >= 0; i--) {
      const first = this.#firsts[i]!;
      const file = await (await this.#folder.getFileHandle(String(first)).catch(absent))?.getFile();
      if (!file || endOf(this.#shape, first, file) <= piece) continue;
      const from = offset - first * pieceBytes;
      return new Uint8Array(await file.slice(from, from + bytes).arrayBuffer());
    }
    throw missingPiece("OPFS", piece, bytes);
  }

  async #begin(piece: number): Promise<Growing | FileSystemFileHandle> {
    const file: WorkerFileHandle = await this.#folder.getFileHandle(String(piece), { create: true });
    const handle = await file.createSyncAccessHandle?.();
    handle?.truncate(0);
    if (!this.#firsts.includes(piece)) this.#firsts.splice(this.#firsts.findLastIndex((first) => first < piece) + 1, 0, piece);
    return handle ? { first: piece, handle } : file;
  }

  /** Without flush(), which waits for the disk: a closed tab loses nothing without it. */
  #append(segment: Growing, piece: number, bytes: Uint8Array): void {
    const { first, handle } = segment;
    const at = (piece - first) * this.#shape.pieceBytes;
    try {
      for (let done = 0; done < bytes.byteLength; ) done += handle.write(bytes.subarray(done), { at: at + done });
    } catch (error) {
      handle.close();
      throw error;
    }
    if (at + bytes.byteLength < SEGMENT_BYTES) this.#growing.set(piece + 1, segment);
    else handle.close();
  }

  #endSegments(): void {
    for (const { handle } of this.#growing.values()) handle.close();
    this.#growing.clear();
  }
}

/** The piece after the last whole one of a segment. */
function endOf(shape: FileShape, first: number, { size }: File): number {
  const whole = first * shape.pieceBytes + size >= shape.bytes;
  return whole ? pieceCount(shape) : first + Math.floor(size / shape.pieceBytes);
}

/** A lock on a file, told as what it means; undefined for other errors. */
export function inUse(error: unknown): CapabilityError | undefined {
  if (!(error instanceof Error) || error.name !== "NoModificationAllowedError") return undefined;
  const message = "another tab is downloading the same model: wait until it is done, or close it, then try again";
  return new CapabilityError(message, { cause: error });
}

/** Writes a whole file. */
export async function stream(handle: FileSystemFileHandle, bytes: Uint8Array): Promise<void> {
  const writable = await handle.createWritable();
  try {
    await writable.write(bytes as Uint8Array<ArrayBuffer>);
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => undefined);
    throw error;
  }
}

export function absent(error: unknown): undefined {
  if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
  throw error;
}
