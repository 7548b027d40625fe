import { GgufError, InvalidArgumentError, NetworkError } from "../errors.ts";
import { type GgufHeader, type GgufTensor, readHeader } from "./gguf-header.ts";
import type { Metadata } from "./metadata.ts";
import { isSource, openSource, resolveInput, type SourceInput } from "./open-source.ts";
import type { OpenOptions } from "./open-url.ts";
import { checkSet, siblingPath, splitInfo } from "./shards.ts";
import type { Source } from "./source.ts";

export type { GgufTensor } from "./gguf-header.ts";

/** A GGUF file, or all shards of one, open for reading tensors. */
export class GgufFile {
  /** Of the first shard, for messages. */
  readonly name: string;
  readonly version: 2 | 3;
  /** Of the first shard, which has all of the model's keys. */
  readonly metadata: Metadata;
  /** Of all shards, by name, in file order. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Of the first shard, in bytes. */
  readonly alignment: number;
  /** One for each shard, in order. */
  readonly sources: readonly Source[];
  /** Sum of the tensors' bytes, without padding. */
  readonly dataBytes: number;
  /** Sum over the shards of everything before the tensor data. */
  readonly headerBytes: number;
  readonly #owned: readonly Source[];

  /** @param owned The sources that close() closes. */
  constructor(shards: readonly GgufHeader[], owned: readonly Source[]) {
    const first = shards[0]!;
    this.name = first.source.name;
    this.version = first.version;
    this.metadata = first.metadata;
    this.alignment = first.alignment;
    this.tensors = new Map(shards.flatMap((shard) => shard.tensors.map((tensor) => [tensor.name, tensor] as const)));
    this.sources = shards.map((shard) => shard.source);
    this.headerBytes = shards.reduce((sum, shard) => sum + shard.headerBytes, 0);
    this.dataBytes = [...this.tensors.values()].reduce((sum, tensor) => sum + tensor.bytes, 0);
    this.#owned = owned;
  }

  /** Closes every source that openGguf opened; Sources that the caller passed in stay the caller's. Twice is fine. */
  async close(): Promise<void> {
    await Promise.all(this.#owned.map((source) => source.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens a GGUF file and reads its header, not its tensors; of a file on the network the header is fetched and kept in the model cache. Of a
 * sharded model any one path or URL is enough, as the others are found beside it by name; Blobs, bytes and Sources come as an array of
 * all shards, in any order.
 *
 * Throws GgufError (damaged, incomplete or no GGUF), UnsupportedFormatError (unknown tensor type), InvalidArgumentError (cannot be
 * opened), CapabilityError (paths where there is no file system), NetworkError, IntegrityError, QuotaError, or the signal's reason.
 * Nothing stays open then.
 */
export async function openGguf(input: SourceInput | readonly SourceInput[], options: OpenOptions = {}): Promise<GgufFile> {
  const owned: Source[] = [];
  try {
    const inputs = await Promise.all((isList(input) ? input : [input]).map((one) => resolveInput(one, options)));
    const headers: GgufHeader[] = [];
    for (const one of inputs) headers.push(await openOne(one, owned, options));
    if (inputs.length === 1 && headers[0]) headers.push(...(await openSiblings(inputs[0]!, headers[0], owned, options)));
    return new GgufFile(checkSet(headers), owned);
  } catch (error) {
    await Promise.all(owned.map((source) => source.close()));
    throw error;
  }
}

async function openOne(input: SourceInput, owned: Source[], options: OpenOptions): Promise<GgufHeader> {
  options.signal?.throwIfAborted();
  const source = await openSource(input, options);
  if (!isSource(input)) owned.push(source);
  return readHeader(source, options.signal);
}

/** The other shards of the set, where the input has a path to find them by. */
async function openSiblings(input: SourceInput, header: GgufHeader, owned: Source[], options: OpenOptions): Promise<GgufHeader[]> {
  const split = splitInfo(header);
  if (!split) return [];
  if (typeof input !== "string" && !(input instanceof URL)) return [];
  const siblings: GgufHeader[] = [];
  for (let index = 0; index < split.count; index++) {
    if (index === split.index) continue;
    const path = siblingPath(input, split, index);
    try {
      siblings.push(await openOne(path, owned, options));
    } catch (error) {
      const missing = error instanceof InvalidArgumentError || (error instanceof NetworkError && error.status === 404);
      if (!missing) throw error;
      throw new GgufError(
        `${String(path)}: wanted shard ${index + 1} of ${split.count} beside ${header.source.name}, got no readable file: ` +
          `download all ${split.count} shards into one folder`,
        { cause: error },
      );
    }
  }
  return siblings;
}

function isList(input: SourceInput | readonly SourceInput[]): input is readonly SourceInput[] {
  return Array.isArray(input);
}
