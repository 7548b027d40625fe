import type { FileShape, Home, StoredFile } from "./home.ts";
import { availableBytes } from "./quota.ts";
import { absent, inUse, SegmentedFile, stream } from "./segments.ts";

const FOLDER = "tandem-models";
const INFO = "info.json";

/** Models in the origin-private file system: a folder each, the same from a page and from its workers. */
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
    return SegmentedFile.open(await this.#folder.getDirectoryHandle(key, { create: true }), shape);
  }

  async remove(key: string): Promise<void> {
    try {
      await this.#folder.removeEntry(key, { recursive: true }).catch(absent);
    } catch (error) {
      throw inUse(error) ?? error;
    }
  }

  availableBytes = availableBytes;
}
