import type { FileHandle } from "node:fs/promises";
import { IntegrityError, QuotaError } from "../errors.ts";
import type { FileShape, Home, StoredFile } from "./home.ts";
import { pieceCount } from "./pieces.ts";

type Fs = typeof import("node:fs/promises");
type Path = typeof import("node:path");

/** The journal: a byte for each piece, 1 when the piece is in the file. */
const JOURNAL = "pieces";
const INFO = "info.json";

/**
 * Models in a folder (Node, Deno, Electron's main process): one folder each, with the file under its own name for other programs to use,
 * `.part` behind it until it is complete. Default folder: TANDEM_CACHE, or `tandem` in XDG_CACHE_HOME or ~/.cache.
 */
export async function openFolderHome(folder?: string): Promise<Home> {
  // Not literals: bundlers for the browser must neither resolve nor refuse them.
  const [fsName, pathName, osName]: string[] = ["node:fs/promises", "node:path", "node:os"];
  const [fs, path, os] = (await Promise.all([
    import(/* webpackIgnore: true */ /* @vite-ignore */ fsName!),
    import(/* webpackIgnore: true */ /* @vite-ignore */ pathName!),
    import(/* webpackIgnore: true */ /* @vite-ignore */ osName!),
  ])) as [Fs, Path, typeof import("node:os")];
  const { TANDEM_CACHE, XDG_CACHE_HOME } = process.env;
  const chosen = folder ?? (TANDEM_CACHE || path.join(XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "tandem"));
  return new FolderHome(path.resolve(chosen), fs, path);
}

class FolderHome implements Home {
  readonly name: string;
  readonly #fs: Fs;
  readonly #path: Path;

  constructor(folder: string, fs: Fs, path: Path) {
    this.name = folder;
    this.#fs = fs;
    this.#path = path;
  }

  async keys(): Promise<string[]> {
    const entries = await this.#fs.readdir(this.name, { withFileTypes: true }).catch(absent);
    return (entries ?? []).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  async readInfo(key: string): Promise<string | undefined> {
    return this.#fs.readFile(this.#path.join(this.name, key, INFO), "utf8").catch(absent);
  }

  async writeInfo(key: string, text: string): Promise<void> {
    const folder = await this.#folder(key);
    const path = this.#path.join(folder, INFO);
    // Renamed when it is whole. The number keeps two processes apart.
    const part = `${path}.${process.pid}`;
    await this.#fs.writeFile(part, text).catch((error: unknown) => Promise.reject(noRoom(error, this.name, text.length)));
    await this.#fs.rename(part, path);
  }

  async open(key: string, shape: FileShape): Promise<StoredFile> {
    const folder = await this.#folder(key);
    const whole = this.#path.join(folder, shape.fileName);
    const found = await this.#fs.stat(whole).catch(absent);
    if (found?.size === shape.bytes) {
      const file = await this.#fs.open(whole, "r");
      return new FolderFile({ name: whole, shape, file, held: new Uint8Array(pieceCount(shape)).fill(1), finish: async () => {} });
    }
    const part = `${whole}.part`;
    const [file, journal] = await Promise.all([this.#openOrCreate(part), this.#openOrCreate(this.#path.join(folder, JOURNAL))]);
    const held = await readJournal(journal, pieceCount(shape));
    // Somebody may have cut or removed the file and left the journal.
    const { size } = await file.stat();
    if (size < shape.bytes) held.fill(0, Math.floor(size / shape.pieceBytes));
    const finish = async () => {
      await file.sync();
      await journal.close();
      await this.#fs.rename(part, whole);
      await this.#fs.rm(this.#path.join(folder, JOURNAL));
    };
    return new FolderFile({ name: whole, shape, file, journal, held, finish });
  }

  async remove(key: string): Promise<void> {
    await this.#fs.rm(this.#path.join(this.name, key), { recursive: true, force: true });
  }

  async availableBytes(): Promise<number | undefined> {
    await this.#fs.mkdir(this.name, { recursive: true });
    const { bavail, bsize } = await this.#fs.statfs(this.name);
    return bavail * bsize;
  }

  async #folder(key: string): Promise<string> {
    const folder = this.#path.join(this.name, key);
    await this.#fs.mkdir(folder, { recursive: true });
    return folder;
  }

  /** For reading and writing, without cutting what is there. */
  async #openOrCreate(path: string): Promise<FileHandle> {
    return (await this.#fs.open(path, "r+").catch(absent)) ?? this.#fs.open(path, "wx+");
  }
}

interface FolderParts {
  readonly name: string;
  readonly shape: FileShape;
  readonly file: FileHandle;
  /** Undefined for a file that is complete. */
  readonly journal?: FileHandle;
  readonly held: Uint8Array;
  finish(): Promise<void>;
}

class FolderFile implements StoredFile {
  readonly held: Uint8Array;
  readonly #parts: FolderParts;

  constructor(parts: FolderParts) {
    this.held = parts.held;
    this.#parts = parts;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { file, name } = this.#parts;
    for (let done = 0; done < target.byteLength; ) {
      const { bytesRead } = await file.read(target, done, target.byteLength - done, offset + done);
      if (bytesRead === 0) throw new IntegrityError(`${name}: the cached file became shorter: remove it from the cache and load again`);
      done += bytesRead;
    }
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    const { file, journal, shape } = this.#parts;
    try {
      await writeAll(file, bytes, piece * shape.pieceBytes);
      if (journal) await writeAll(journal, Uint8Array.of(1), piece);
    } catch (error) {
      throw noRoom(error, this.#parts.name, bytes.byteLength);
    }
    this.held[piece] = 1;
  }

  async finish(): Promise<void> {
    await this.#parts.finish();
  }

  async close(): Promise<void> {
    await this.#parts.file.close();
    // finish() has closed it already where all is there.
    await this.#parts.journal?.close().catch(() => undefined);
  }
}

/** The pieces that are there. A journal of another length or with other bytes is damaged: then nothing is believed to be there. */
async function readJournal(journal: FileHandle, pieces: number): Promise<Uint8Array> {
  const noted = await journal.readFile();
  if (noted.length <= pieces && noted.every((byte) => byte <= 1)) {
    const held = new Uint8Array(pieces);
    held.set(noted);
    return held;
  }
  await journal.truncate(0);
  return new Uint8Array(pieces);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    done += (await file.write(bytes, done, bytes.byteLength - done, offset + done)).bytesWritten;
  }
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  throw error;
}

function noRoom(error: unknown, name: string, bytes: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const message = `${name}: the disk is full: make room (tandem models rm), or name another folder (TANDEM_CACHE), and load again`;
  return new QuotaError(message, bytes, 0, { cause: error });
}
