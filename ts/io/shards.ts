import { GgufError, InvalidArgumentError } from "../errors.ts";
import { DOWNLOAD_AGAIN } from "./gguf-cursor.ts";
import type { GgufHeader } from "./gguf-header.ts";
import { quote } from "./metadata.ts";

/** What a file says about the set it belongs to. */
export interface SplitInfo {
  /** From 0. */
  readonly index: number;
  readonly count: number;
  /** Of the whole set. Undefined in files of writers that leave it out. */
  readonly tensorCount: number | undefined;
}

/** Undefined for a file that is whole by itself. */
export function splitInfo({ metadata }: GgufHeader): SplitInfo | undefined {
  const count = metadata.optionalCount("split.count") ?? 0;
  if (count <= 1) return undefined;
  const index = metadata.getCount("split.no");
  if (index >= count) {
    throw new GgufError(`${metadata.name}: key "split.no": wanted less than split.count = ${count}, got ${index}: ${DOWNLOAD_AGAIN}`);
  }
  return { index, count, tensorCount: metadata.optionalCount("split.tensors.count") };
}

// A URL may have a query behind the name.
const SHARD_NAME = /-(\d{5})-of-(\d{5})(\.gguf(?:\?.*)?)$/i;

/** The path or URL of shard `index` (from 0) of the set that `path` belongs to: `model-00001-of-00003.gguf` and so on. */
export function siblingPath(path: string | URL, split: SplitInfo, index: number): string | URL {
  const text = path instanceof URL ? path.href : path;
  const match = SHARD_NAME.exec(text);
  if (!match || Number(match[2]) !== split.count || Number(match[1]) !== split.index + 1) {
    const wanted = `name-${fiveDigits(split.index + 1)}-of-${fiveDigits(split.count)}.gguf`;
    throw new GgufError(
      `${text}: shard ${split.index + 1} of ${split.count}: wanted a name like ${wanted}, to find the other shards by, ` +
        "got another: give the shards their names back, or pass all of them as an array",
    );
  }
  const sibling = `${text.slice(0, match.index)}-${fiveDigits(index + 1)}-of-${match[2]}${match[3]}`;
  return path instanceof URL ? new URL(sibling) : sibling;
}

function fiveDigits(value: number): string {
  return String(value).padStart(5, "0");
}

/**
 * Puts the headers of a set in order and checks that they are one complete set: GgufError for a shard that is missing, doubled or
 * of another set. A single whole file is a set of one.
 */
export function checkSet(headers: readonly GgufHeader[]): GgufHeader[] {
  const first = headers[0];
  if (!first) throw new InvalidArgumentError("wanted at least one GGUF file to open, got an empty array: pass the shards of a model");
  const wanted = splitInfo(first);
  if (!wanted) {
    if (headers.length === 1) return [first];
    throw new GgufError(
      `${first.source.name}: wanted a shard (with split.count), got a whole model among ${headers.length} files: pass it alone`,
    );
  }
  const byIndex = new Map<number, GgufHeader>();
  for (const header of headers) {
    const split = splitInfo(header);
    if (split?.count !== wanted.count || split.tensorCount !== wanted.tensorCount) throw foreign(header, split, first, wanted);
    const other = byIndex.get(split.index);
    if (other) {
      throw new GgufError(
        `${header.source.name}: shard ${split.index + 1} of ${split.count} came twice, also as ${other.source.name}: pass each shard once`,
      );
    }
    byIndex.set(split.index, header);
  }
  const set: GgufHeader[] = [];
  for (let index = 0; index < wanted.count; index++) {
    const header = byIndex.get(index);
    if (!header) {
      throw new GgufError(
        `${first.source.name}: wanted all ${wanted.count} shards, got ${headers.length}, without shard ${index + 1}: ` +
          "pass all of them as an array",
      );
    }
    set.push(header);
  }
  checkTensors(set, wanted);
  return set;
}

function foreign(header: GgufHeader, split: SplitInfo | undefined, first: GgufHeader, wanted: SplitInfo): GgufError {
  const set = ({ count, tensorCount }: SplitInfo) => `a set of ${count} files with ${tensorCount ?? "an unknown number of"} tensors`;
  return new GgufError(
    `${header.source.name}: wanted a shard of the same set as ${first.source.name} (${set(wanted)}), ` +
      `got ${split ? `one of ${set(split)}` : "a whole model"}: download the shards of one set together`,
  );
}

function checkTensors(set: readonly GgufHeader[], { tensorCount }: SplitInfo): void {
  const owners = new Map<string, string>();
  for (const { source, tensors } of set) {
    for (const { name } of tensors) {
      const owner = owners.get(name);
      if (owner !== undefined) {
        throw new GgufError(
          `${source.name}: tensor ${quote(name)}: wanted every tensor once, got it in ${owner} too: ` +
            "download the shards of one set together",
        );
      }
      owners.set(name, source.name);
    }
  }
  if (tensorCount === undefined || tensorCount === owners.size) return;
  throw new GgufError(
    `${set[0]!.source.name}: wanted ${tensorCount} tensors in ${set.length} shards (split.tensors.count), got ${owners.size}: ` +
      "download the shards of one set together",
  );
}
