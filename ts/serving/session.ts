import { SessionError } from "../errors.ts";
import type { CellSpan, MemoryLayout } from "../memory/memory.ts";
import { packSnapshot, unpackSnapshot } from "../memory/snapshot.ts";
import type { FoundCheckpoint } from "./prefix-cache.ts";

/** A chat's tokens, and what a sequence remembers after the first `length` of them. */
export interface Session {
  readonly tokens: Int32Array;
  readonly length: number;
  readonly state: readonly Uint8Array[];
  readonly cells: CellSpan;
}

/** Parts: tokens i32, then R and S, then the cells, each as `MemoryLayout` says. Without a checkpoint the tokens are all. */
export function packSession(fingerprint: string, tokens: Int32Array, checkpoint: FoundCheckpoint | undefined): Uint8Array {
  const ids = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  if (!checkpoint) return packSnapshot(fingerprint, 0, [ids]);
  const { length, state, spans } = checkpoint;
  const cells = spans[0]!.parts.map((_, i) => join(spans.map(({ parts }) => parts[i]!)));
  return packSnapshot(fingerprint, length, [ids, ...state, ...cells]);
}

/** Throws SessionError for bytes that are damaged, no session, or of another model. */
export function unpackSession(bytes: Uint8Array, fingerprint: string, layout: MemoryLayout): Session {
  const { length, parts } = unpackSnapshot(bytes, fingerprint);
  const [ids, ...rest] = parts;
  const sizes = length > 0 ? [...layout.state, ...layout.cell.map((cell) => cell * length)] : [];
  const fits = ids && ids.length % 4 === 0 && ids.length >= 4 * length;
  if (!fits || rest.length !== sizes.length || rest.some((part, i) => part.length !== sizes[i])) {
    throw new SessionError("saved state: these bytes are a sequence of a context, not a session: load them with context.load()");
  }
  const owned = rest.map((part) => new Uint8Array(part));
  const count = layout.state.length;
  const tokens = new Int32Array(new Uint8Array(ids).buffer); // not slice(): of a Buffer that is no copy
  return { tokens, length, state: owned.slice(0, count), cells: { from: 0, parts: owned.slice(count) } };
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
