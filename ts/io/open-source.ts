import { CapabilityError, InvalidArgumentError } from "../errors.ts";
import { blobSource } from "./blob-source.ts";
import { openFileSource } from "./file-source.ts";
import { memorySource } from "./memory-source.ts";
import type { OpenOptions } from "./open-url.ts";
import type { Source } from "./source.ts";

/**
 * A path, a URL (file:, https: or http:), `hf:owner/repo/file.gguf` or `hf:owner/repo:Q4_K_M` of the Hugging Face Hub, a Blob or File,
 * bytes in memory, or a Source of the caller's own.
 */
export type SourceInput = string | URL | Blob | Uint8Array | Source;

// Two letters at least before the colon: the drive letter of a Windows path is no scheme.
const URL_START = /^(?:[a-z][a-z0-9+.-]+:\/\/|blob:|data:)/i;

const HUB_START = /^hf:/i;

/**
 * Opens any input for random access. A Source is returned as it is.
 * InvalidArgumentError for a path that cannot be opened or an input of another kind, CapabilityError for other URLs;
 * NetworkError, IntegrityError and QuotaError for those of the network.
 */
export async function openSource(input: SourceInput, options: OpenOptions = {}): Promise<Source> {
  if (typeof input === "string") {
    if (HUB_START.test(input)) return openRemote(input, options);
    return URL_START.test(input) && URL.canParse(input) ? openUrl(new URL(input), options) : openFileSource(input);
  }
  if (input instanceof URL) return openUrl(input, options);
  if (input instanceof Uint8Array) return memorySource(input);
  if (typeof Blob !== "undefined" && input instanceof Blob) return blobSource(input);
  if (isSource(input)) return input;
  throw new InvalidArgumentError(
    `wanted a path, a URL, hf:owner/repo/file.gguf, a Blob, a File, a Uint8Array or a Source to open, got ${input === null ? "null" : typeof input}`,
  );
}

/** Whether an input is already a Source, and so is its maker's to close. */
export function isSource(input: unknown): input is Source {
  if (typeof input !== "object" || input === null) return false;
  const source = input as Partial<Source>;
  return typeof source.read === "function" && typeof source.close === "function" && typeof source.size === "number";
}

/** The file that `hf:owner/repo:TAG` means, as `hf:owner/repo/file.gguf`, which has a name to find other shards by. Other inputs stay. */
export async function resolveInput(input: SourceInput, options: OpenOptions): Promise<SourceInput> {
  if (typeof input !== "string" || !HUB_START.test(input)) return input;
  return (await import("./open-url.ts")).resolveReference(input, options);
}

async function openUrl(url: URL, options: OpenOptions): Promise<Source> {
  if (url.protocol === "file:") return openFileSource(url);
  if (url.protocol === "https:" || url.protocol === "http:") return openRemote(url.href, options);
  throw new CapabilityError(`${url.protocol} URLs are not supported: pass an https: URL, a path, or the File or Blob itself`);
}

/** Loaded when first used: most programs open files. */
async function openRemote(text: string, options: OpenOptions): Promise<Source> {
  return (await import("./open-url.ts")).openUrlSource(text, options);
}
