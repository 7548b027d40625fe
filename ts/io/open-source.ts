import { CapabilityError, InvalidArgumentError } from "../errors.ts";
import { blobSource } from "./blob-source.ts";
import { openFileSource } from "./file-source.ts";
import { memorySource } from "./memory-source.ts";
import type { Source } from "./source.ts";

/** A path, a file: URL, a Blob or File, bytes in memory, or a Source of the caller's own. */
export type SourceInput = string | URL | Blob | Uint8Array | Source;

// Two letters at least before the colon: the drive letter of a Windows path is no scheme.
const URL_START = /^(?:[a-z][a-z0-9+.-]+:\/\/|blob:|data:)/i;

/**
 * Opens any input for random access. A Source is returned as it is.
 * InvalidArgumentError for a path that cannot be opened or an input of another kind, CapabilityError for a URL that is not `file:`.
 */
export async function openSource(input: SourceInput): Promise<Source> {
  if (typeof input === "string") return URL_START.test(input) && URL.canParse(input) ? openUrl(new URL(input)) : openFileSource(input);
  if (input instanceof URL) return openUrl(input);
  if (input instanceof Uint8Array) return memorySource(input);
  if (typeof Blob !== "undefined" && input instanceof Blob) return blobSource(input);
  if (isSource(input)) return input;
  throw new InvalidArgumentError(
    `wanted a path, a file: URL, a Blob, a File, a Uint8Array or a Source to open, got ${input === null ? "null" : typeof input}`,
  );
}

/** Whether an input is already a Source, and so is its maker's to close. */
export function isSource(input: unknown): input is Source {
  if (typeof input !== "object" || input === null) return false;
  const source = input as Partial<Source>;
  return typeof source.read === "function" && typeof source.close === "function" && typeof source.size === "number";
}

async function openUrl(url: URL): Promise<Source> {
  if (url.protocol === "file:") return openFileSource(url);
  throw new CapabilityError(
    `${url.href}: ${url.protocol} URLs are not supported yet: download the file first and pass its path, or the File or Blob itself`,
  );
}
