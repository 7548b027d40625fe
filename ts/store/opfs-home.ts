import { CapabilityError } from "../errors.ts";
import type { FileShape, Home, StoredFile } from "./home.ts";
import { PieceFile, type PieceShelf } from "./piece-file.ts";
import { pieceLength } from "./pieces.ts";
import { availableBytes, noRoom } from "./quota.ts";

const FOLDER = "tandem-models";
const INFO = "info.json";

/** Of the worker's library, which TypeScript does not load beside the page's. */
interface SyncAccessHandle {
  truncate(bytes: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  close(): void;
}
type WorkerFileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccessHandle> };

/**
 * Models in the origin-private file system: a folder each, with a file for every piece, the same from a page and from its workers. In a
 * worker pieces are written through a synchronous handle, elsewhere through a stream.
 */
export async function openOpfsHome(root: FileSystemDirectoryHandle): Promise<Home> {
  return new OpfsHome(await root.getDirectoryHandle(FOLDER, { create: true }));
}

class OpfsHome implements Home {
  readonly name = "OPFS";
  readonly #folder: FileSystemDirectoryHandle;

  constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  async keys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const [name, handle] of this.#folder.entries()) if (handle.kind === "directory") keys.push(name);
    return keys;
  }

  async readInfo(key: string): Promise<string | undefined> {
    const folder = await this.#folder.getDirectoryHandle(key).catch(absent);
    const file = await folder?.getFileHandle(INFO).catch(absent);
    return (await file?.getFile())?.text();
  }

  async writeInfo(key: string, text: string): Promise<void> {
    const folder = await this.#folder.getDirectoryHandle(key, { create: true });
    // A stream replaces the file only when it is closed: whole or not at all.
    await stream(await folder.getFileHandle(INFO, { create: true }), new TextEncoder().encode(text));
  }

  async open(key: string, shape: FileShape): Promise<StoredFile> {
    return PieceFile.open(new OpfsShelf(await this.#folder.getDirectoryHandle(key, { create: true }), shape), shape);
  }

  async remove(key: string): Promise<void> {
    await this.#folder.removeEntry(key, { recursive: true }).catch(absent);
  }

  availableBytes = availableBytes;
}

class OpfsShelf implements PieceShelf {
  readonly name = "OPFS";
  readonly #folder: FileSystemDirectoryHandle;
  readonly #shape: FileShape;

  constructor(folder: FileSystemDirectoryHandle, shape: FileShape) {
    this.#folder = folder;
    this.#shape = shape;
  }

  async get(piece: number): Promise<Blob | undefined> {
    const handle = await this.#folder.getFileHandle(String(piece)).catch(absent);
    return handle?.getFile();
  }

  async put(piece: number, bytes: Uint8Array): Promise<void> {
    try {
      const handle: WorkerFileHandle = await this.#folder.getFileHandle(String(piece), { create: true });
      if (handle.createSyncAccessHandle) write(await handle.createSyncAccessHandle(), bytes);
      else await stream(handle, bytes);
    } catch (error) {
      if ((error as Error).name !== "NoModificationAllowedError") throw await noRoom(error, bytes.byteLength);
      const message = "another tab is downloading the same model: wait until it is done, then load again";
      throw new CapabilityError(message, { cause: error });
    }
  }

  /** A piece of another length was being written when the tab was closed. */
  async pieces(): Promise<number[]> {
    const pieces: number[] = [];
    for await (const [name, handle] of this.#folder.entries()) {
      if (!/^\d+$/.test(name) || handle.kind !== "file") continue;
      const { size } = await (handle as FileSystemFileHandle).getFile();
      if (size === pieceLength(this.#shape, Number(name))) pieces.push(Number(name));
    }
    return pieces;
  }
}

/** Without flush(), which waits for the disk: it took four times as long as all else, and a closed tab loses nothing without it. */
function write(handle: SyncAccessHandle, bytes: Uint8Array): void {
  try {
    handle.truncate(0);
    for (let done = 0; done < bytes.byteLength; ) done += handle.write(bytes.subarray(done), { at: done });
  } finally {
    handle.close();
  }
}

async function stream(handle: FileSystemFileHandle, bytes: Uint8Array): Promise<void> {
  const writable = await handle.createWritable();
  try {
    await writable.write(bytes as Uint8Array<ArrayBuffer>);
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => undefined);
    throw error;
  }
}

function absent(error: unknown): undefined {
  if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
  throw error;
}
