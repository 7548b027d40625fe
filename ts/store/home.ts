import type { Grid } from "./pieces.ts";

/** Where cached models live: a folder, a browser's private file system (OPFS), or its Cache API. Entries have keys that are good file names. */
export interface Home {
  /** For messages: the folder, "OPFS" or "Cache API". */
  readonly name: string;
  keys(): Promise<string[]>;
  /** What was last written for this key; undefined where there is nothing. */
  readInfo(key: string): Promise<string | undefined>;
  /** Replaces what was there, whole or not at all. */
  writeInfo(key: string, text: string): Promise<void>;
  /** The bytes of an entry, all of them or some. Makes room for them where there is none yet. */
  open(key: string, file: FileShape): Promise<StoredFile>;
  /** Nothing happens where there is nothing. */
  remove(key: string): Promise<void>;
  /** Bytes that may still be written, as far as the platform tells. */
  availableBytes(): Promise<number | undefined>;
}

export interface FileShape extends Grid {
  /** A good file name for people who look into the cache. */
  readonly fileName: string;
  /** All pieces were kept and checked. */
  readonly complete: boolean;
}

/** One file in a home, while it is open. */
export interface StoredFile {
  /** 1 for each piece that is there, else 0. `write` keeps it up to date. */
  readonly held: Uint8Array;
  /** Fills `target` (shared memory allowed) from pieces that are held. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Keeps a whole piece, and then notes that it is there: a process killed in between has lost that piece only. */
  write(piece: number, bytes: Uint8Array): Promise<void>;
  /** All pieces are there: sees to it that they stay. */
  finish(): Promise<void>;
  close(): Promise<void>;
}
