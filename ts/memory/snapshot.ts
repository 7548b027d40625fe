import { SessionError } from "../errors.ts";

/** What a saved sequence says of itself. */
export interface SnapshotHeader {
  /** Of the model and the cache's types: state of another model is noise. */
  readonly fingerprint: string;
  /** Tokens that the state has seen. */
  readonly length: number;
  /** Bytes of each part that follows. */
  readonly parts: readonly number[];
}

/** "TNDM" and the version of this layout: magic u32 · version u32 · header bytes u32 · checksum u32 · header JSON · parts. */
const MAGIC = 0x4d444e54;
const VERSION = 1;
const PRELUDE_BYTES = 16;
/** A header is a few numbers a layer. */
const MAX_HEADER_BYTES = 2 ** 20;

export function packSnapshot(fingerprint: string, length: number, parts: readonly Uint8Array[]): Uint8Array {
  const header: SnapshotHeader = { fingerprint, length, parts: parts.map((part) => part.length) };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(PRELUDE_BYTES + json.length + header.parts.reduce((a, b) => a + b, 0));
  out.set(json, PRELUDE_BYTES);
  let at = PRELUDE_BYTES + json.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  const view = new DataView(out.buffer);
  [MAGIC, VERSION, json.length, checksum(out.subarray(PRELUDE_BYTES))].forEach((word, i) => void view.setUint32(4 * i, word, true));
  return out;
}

/** Throws SessionError for bytes that are no snapshot, damaged, of another version or of another model. */
export function unpackSnapshot(bytes: Uint8Array, fingerprint: string): { length: number; parts: Uint8Array[] } {
  const refuse = (why: string): never => {
    throw new SessionError(`saved state: ${why}: save the sequence again with this version and this model`);
  };
  if (bytes.length < PRELUDE_BYTES) refuse(`at least ${PRELUDE_BYTES} bytes are wanted, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [magic, version, headerBytes, sum] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [number, number, number, number];
  if (magic !== MAGIC) refuse("these bytes were not written by Tandem");
  if (version !== VERSION) refuse(`version ${VERSION} is wanted, got ${version}`);
  if (headerBytes > Math.min(MAX_HEADER_BYTES, bytes.length - PRELUDE_BYTES)) refuse("its header is damaged");
  if (checksum(bytes.subarray(PRELUDE_BYTES)) !== sum) refuse("its checksum is wrong, the bytes are damaged or cut off");
  const json = new TextDecoder().decode(bytes.slice(PRELUDE_BYTES, PRELUDE_BYTES + headerBytes));
  const header = JSON.parse(json) as SnapshotHeader; // the checksum vouches for it
  if (header.fingerprint !== fingerprint) refuse("it belongs to another model or to other KV cache types");
  let at = PRELUDE_BYTES + headerBytes;
  const parts = header.parts.map((size) => {
    at += size;
    return bytes.subarray(at - size, at);
  });
  return { length: header.length, parts };
}

/** FNV-1a over 32 bits: against damage, not against forgers. */
export function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}
