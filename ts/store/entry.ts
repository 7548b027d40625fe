import type { RemoteFile } from "../io/http.ts";
import { showUrl } from "../io/http-errors.ts";
import type { Home } from "./home.ts";
import type { Grid } from "./pieces.ts";
import { Sha256 } from "./sha256.ts";

/** What the cache knows of a file: its info.json. */
export interface EntryInfo extends RemoteFile, Grid {
  /** As a person names it: `hf:owner/repo/file.gguf`, or the URL. */
  readonly name: string;
  readonly fileName: string;
  /** Of the whole file, where it is known. */
  readonly sha256?: string;
  /** All pieces are here, and match the sha256 if there is one. */
  readonly complete: boolean;
  /** When the download began: ISO 8601. */
  readonly added: string;
}

const VERSION = 1;

/** The file's name in the URL, for people, and a hash, for uniqueness. */
export function keyOf(url: string): string {
  const hash = new Sha256();
  hash.update(new TextEncoder().encode(url));
  return `${fileNameOf(url)}-${hash.hex().slice(0, 16)}`;
}

/** The last part of a URL's path, fit for any file system. */
export function fileNameOf(url: string): string {
  const last = new URL(url).pathname.split("/").at(-1) ?? "";
  const safe = decodeURIComponent(last)
    .replace(/[^A-Za-z0-9._-]/g, "_")
    .replace(/^\.+/, "");
  return safe.slice(-100) || "model.gguf";
}

export async function readEntry(home: Home, key: string): Promise<EntryInfo | undefined> {
  const text = await home.readInfo(key);
  return text === undefined ? undefined : parseEntry(text);
}

export async function writeEntry(home: Home, key: string, info: EntryInfo): Promise<void> {
  // A query may hold a secret, and is not needed: whoever loads the file again gives it again.
  await home.writeInfo(key, `${JSON.stringify({ version: VERSION, ...info, url: showUrl(info.url) }, undefined, 2)}\n`);
}

/** Undefined for a damaged entry or one of another version: what is kept under it is of no use then. */
function parseEntry(text: string): EntryInfo | undefined {
  let info: Partial<EntryInfo> & { version?: unknown };
  try {
    info = JSON.parse(text) as typeof info;
  } catch {
    return undefined;
  }
  const strings = [info.name, info.url, info.fileName, info.added];
  const counts = [info.bytes, info.pieceBytes];
  const optional = [info.etag, info.modified, info.sha256];
  const sound =
    info.version === VERSION &&
    strings.every((value) => typeof value === "string" && value !== "") &&
    counts.every((value) => Number.isSafeInteger(value) && value! > 0) &&
    [info.ranges, info.complete].every((value) => typeof value === "boolean") &&
    optional.every((value) => value === undefined || typeof value === "string");
  return sound ? (info as EntryInfo) : undefined;
}
