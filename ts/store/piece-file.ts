import { IntegrityError } from "../errors.ts";
import type { FileShape, StoredFile } from "./home.ts";
import { pieceCount } from "./pieces.ts";

/** What a home provides that keeps every piece as an item of its own. */
export interface PieceShelf {
  /** For messages. */
  readonly name: string;
  /** Undefined for a piece that is not there. */
  get(piece: number): Promise<Blob | undefined>;
  put(piece: number, bytes: Uint8Array): Promise<void>;
  /** The pieces that are there whole. */
  pieces(): Promise<number[]>;
}

/**
 * A file whose pieces are items of their own: what is there needs no journal, tabs and workers can read and write at the same time without
 * locks, and a write that is never finished (a closed tab) costs one piece.
 */
export class PieceFile implements StoredFile {
  readonly held: Uint8Array;
  readonly #shelf: PieceShelf;
  readonly #shape: FileShape;

  static async open(shelf: PieceShelf, shape: FileShape): Promise<PieceFile> {
    const held = new Uint8Array(pieceCount(shape)).fill(shape.complete ? 1 : 0);
    if (!shape.complete) for (const piece of await shelf.pieces()) if (piece < held.length) held[piece] = 1;
    return new PieceFile(shelf, shape, held);
  }

  private constructor(shelf: PieceShelf, shape: FileShape, held: Uint8Array) {
    this.#shelf = shelf;
    this.#shape = shape;
    this.held = held;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { pieceBytes } = this.#shape;
    for (let done = 0; done < target.byteLength; ) {
      const piece = Math.floor((offset + done) / pieceBytes);
      const from = offset + done - piece * pieceBytes;
      const bytes = Math.min(pieceBytes - from, target.byteLength - done);
      const part = await (await this.#shelf.get(piece))?.slice(from, from + bytes).arrayBuffer();
      if (part?.byteLength !== bytes) {
        const got = part === undefined ? "nothing" : `${part.byteLength} bytes`;
        throw new IntegrityError(
          `${this.#shelf.name}: piece ${piece} of the cached model: wanted ${bytes} bytes, got ${got}: remove the model from the cache and load again`,
        );
      }
      target.set(new Uint8Array(part), done);
      done += bytes;
    }
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    await this.#shelf.put(piece, bytes);
    this.held[piece] = 1;
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}
