import { IntegrityError } from "../errors.ts";

/** A file in pieces of equal length, but for the last. */
export interface Grid {
  readonly bytes: number;
  readonly pieceBytes: number;
}

/** Pieces [first, last). */
export interface Run {
  readonly first: number;
  readonly last: number;
}

const SMALLEST_PIECE_BYTES = 16 * 1024;
const LARGEST_PIECE_BYTES = 4 * 1024 * 1024;

/**
 * Bytes of a piece, the unit in which a download is kept: what was in flight when a tab is closed is lost, one piece for each of four requests.
 * A thousandth of the file makes that less than half a percent; in between a request brings many pieces.
 */
export function pieceBytesFor(bytes: number): number {
  const power = 2 ** Math.floor(Math.log2(Math.max(1, bytes / 1024)));
  return Math.min(LARGEST_PIECE_BYTES, Math.max(SMALLEST_PIECE_BYTES, power));
}

export function pieceCount({ bytes, pieceBytes }: Grid): number {
  return Math.ceil(bytes / pieceBytes);
}

export function pieceLength({ bytes, pieceBytes }: Grid, index: number): number {
  return Math.min(pieceBytes, bytes - index * pieceBytes);
}

/** @param held 1 for each piece that is there, else 0. */
export function heldBytes(grid: Grid, held: Uint8Array): number {
  let bytes = 0;
  for (let index = 0; index < held.length; index++) if (held[index] === 1) bytes += pieceLength(grid, index);
  return bytes;
}

/** The pieces of `within` that are not held, in order, in runs of at most `most` pieces. */
export function missingRuns(held: Uint8Array, within: Run, most: number): Run[] {
  const runs: Run[] = [];
  for (let first = within.first; first < within.last; first++) {
    if (held[first] === 1) continue;
    let last = first + 1;
    while (last < within.last && last - first < most && held[last] !== 1) last++;
    runs.push({ first, last });
    first = last - 1;
  }
  return runs;
}

/** What to say of a piece that should be there. `place` is "OPFS" or "Cache API". */
export function missingPiece(place: string, piece: number, wantedBytes: number, gotBytes = 0): IntegrityError {
  const got = gotBytes === 0 ? "nothing" : `${gotBytes} bytes`;
  return new IntegrityError(
    `${place}: piece ${piece} of the cached model: wanted ${wantedBytes} bytes, got ${got}: remove the model from the cache and load again`,
  );
}
