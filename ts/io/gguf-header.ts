import { GgufError, UnsupportedFormatError } from "../errors.ts";
import { GGML_TYPES } from "./ggml-types.ts";
import { DOWNLOAD_AGAIN, HeaderCursor } from "./gguf-cursor.ts";
import {
  DEFAULT_ALIGNMENT,
  MAX_ALIGNMENT,
  MAX_DIMENSIONS,
  MAX_KEY_COUNT,
  MAX_NAME_BYTES,
  MAX_TENSOR_COUNT,
  MIN_ALIGNMENT,
  MIN_KEY_VALUE_BYTES,
  MIN_TENSOR_ENTRY_BYTES,
} from "./gguf-limits.ts";
import { newValueBudget, readField } from "./gguf-values.ts";
import { type GgufField, Metadata, quote } from "./metadata.ts";
import type { Source } from "./source.ts";

/** One tensor of a file: what it is and where its bytes are. */
export interface GgufTensor {
  readonly name: string;
  /** The ggml type id; every id here is a key of GGML_TYPES. */
  readonly type: number;
  readonly typeName: string;
  /** Row-major: the last dimension is contiguous. (GGUF stores dimensions the other way round.) */
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly source: Source;
  /** Of the first byte, counted from the start of `source`. */
  readonly offset: number;
}

/** All that one file says before its tensor data. */
export interface GgufHeader {
  readonly source: Source;
  readonly version: 2 | 3;
  readonly metadata: Metadata;
  /** In the order of the file. */
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** Magic to the end of the tensor table. */
  readonly headerBytes: number;
}

/**
 * Reads and checks the header of one file; never its tensor data.
 * GgufError for damage of any kind, UnsupportedFormatError for a tensor of an unknown ggml type.
 */
export async function readHeader(source: Source, signal?: AbortSignal): Promise<GgufHeader> {
  const cursor = new HeaderCursor(source, signal);
  const version = await readVersion(cursor);
  const tensorCount = await cursor.count("tensors", MIN_TENSOR_ENTRY_BYTES, MAX_TENSOR_COUNT);
  const keyCount = await cursor.count("keys", MIN_KEY_VALUE_BYTES, MAX_KEY_COUNT);
  const metadata = await readMetadata(cursor, keyCount);
  const alignment = readAlignment(metadata);
  const table = await readTensorTable(cursor, tensorCount);
  const headerBytes = cursor.offset;
  const dataStart = Math.ceil(headerBytes / alignment) * alignment;
  const tensors = table.map((tensor) => ({ ...tensor, offset: dataStart + tensor.offset }));
  checkPlaces(source, tensors, dataStart, alignment);
  return { source, version, metadata, tensors, alignment, headerBytes };
}

async function readVersion(cursor: HeaderCursor): Promise<2 | 3> {
  cursor.where = "magic and version";
  await cursor.need(4);
  const magic = String.fromCharCode(cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8());
  if (magic === "FUGG") throw cursor.fail(`wanted a little-endian file, got a big-endian one: ${LITTLE_ENDIAN}`);
  if (magic !== "GGUF") throw cursor.fail(`wanted the magic "GGUF", got ${quote(magic)}: ${notGguf(magic)}`);
  await cursor.need(4);
  const version = cursor.u32();
  if (version === 2 || version === 3) return version;
  // Big-endian writers keep the magic's bytes in order but not the version's.
  if (version !== 0 && (version & 0xffff) === 0) throw cursor.fail(`wanted a little-endian file, got a big-endian one: ${LITTLE_ENDIAN}`);
  const advice = version === 1 ? "convert the model again with a current converter" : "look for a newer release of this library";
  throw cursor.fail(`wanted GGUF version 2 or 3, got ${version}: ${advice}, or ${DOWNLOAD_AGAIN}`);
}

const LITTLE_ENDIAN = "download the little-endian file, or convert the model again on a little-endian machine";

function notGguf(magic: string): string {
  if (magic === "vers") return "this looks like a Git LFS pointer: fetch the file itself (git lfs pull, or download it)";
  if (/^<(?:!do|htm)/i.test(magic)) return "this looks like a web page: use the file's direct download link";
  return "this is no GGUF file: give a .gguf file, or download it again";
}

async function readMetadata(cursor: HeaderCursor, count: number): Promise<Metadata> {
  const fields = new Map<string, GgufField>();
  const budget = newValueBudget();
  for (let i = 0; i < count; i++) {
    cursor.where = `name of key ${i + 1} of ${count}`;
    const key = await cursor.name(MAX_NAME_BYTES);
    cursor.where = `key ${quote(key)}`;
    if (fields.has(key)) throw cursor.fail(`wanted every key once, got it a second time: ${DOWNLOAD_AGAIN}`);
    fields.set(key, await readField(cursor, budget));
  }
  return new Metadata(cursor.source.name, fields);
}

function readAlignment(metadata: Metadata): number {
  const key = "general.alignment";
  const alignment = metadata.optionalCount(key) ?? DEFAULT_ALIGNMENT;
  // Beyond 32 bits the bit test would look at the low half only, hence the range first.
  if (alignment >= MIN_ALIGNMENT && alignment <= MAX_ALIGNMENT && (alignment & (alignment - 1)) === 0) return alignment;
  throw new GgufError(
    `${metadata.name}: key "${key}": wanted a power of two from ${MIN_ALIGNMENT} to ${MAX_ALIGNMENT}, got ${alignment}: ${DOWNLOAD_AGAIN}`,
  );
}

async function readTensorTable(cursor: HeaderCursor, count: number): Promise<GgufTensor[]> {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    cursor.where = `name of tensor ${i + 1} of ${count}`;
    const name = await cursor.name(MAX_NAME_BYTES);
    cursor.where = `tensor ${quote(name)}`;
    if (names.has(name)) throw cursor.fail(`wanted every tensor once, got it a second time: ${DOWNLOAD_AGAIN}`);
    names.add(name);
    tensors.push(await readTensor(cursor, name));
  }
  return tensors;
}

/** One entry of the table; its offset still counts from the start of the data. */
async function readTensor(cursor: HeaderCursor, name: string): Promise<GgufTensor> {
  await cursor.need(4);
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw cursor.fail(`wanted 1 to ${MAX_DIMENSIONS} dimensions, got ${dimensions}: ${DOWNLOAD_AGAIN}`);
  }
  await cursor.need(dimensions * 8 + 4 + 8);
  const shape = Array.from({ length: dimensions }, () => dimension(cursor)).reverse();
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (!Number.isSafeInteger(elements)) {
    throw cursor.fail(`wanted at most ${Number.MAX_SAFE_INTEGER} elements, got the shape [${shape.join(", ")}]: ${DOWNLOAD_AGAIN}`);
  }
  const id = cursor.u32();
  const type = GGML_TYPES.get(id);
  if (!type) {
    throw new UnsupportedFormatError(
      `${cursor.source.name}: tensor ${quote(name)}: wanted a known ggml type, got id ${id}: ` +
        "use a file quantised to a common type (Q4_K_M, Q8_0, ...), or download this one again if it should be one",
    );
  }
  const rowLength = shape[shape.length - 1]!;
  if (rowLength % type.blockSize !== 0) {
    throw cursor.fail(`${type.name} wants rows of a multiple of ${type.blockSize} elements, got rows of ${rowLength}: ${DOWNLOAD_AGAIN}`);
  }
  const offset = cursor.u64();
  if (typeof offset === "bigint") throw cursor.fail(`wanted an offset inside the file, got ${offset}: ${DOWNLOAD_AGAIN}`);
  const bytes = (elements / type.blockSize) * type.blockBytes;
  return { name, type: id, typeName: type.name, shape, bytes, source: cursor.source, offset };
}

function dimension(cursor: HeaderCursor): number {
  const extent = cursor.u64();
  if (typeof extent === "number" && extent >= 1) return extent;
  throw cursor.fail(`wanted dimensions from 1 to ${Number.MAX_SAFE_INTEGER}, got ${extent}: ${DOWNLOAD_AGAIN}`);
}

/** Every tensor aligned, inside the file, and on bytes of its own. */
function checkPlaces(source: Source, tensors: readonly GgufTensor[], dataStart: number, alignment: number): void {
  const byOffset = tensors.toSorted((a, b) => a.offset - b.offset);
  let previous: GgufTensor | undefined;
  let last: GgufTensor | undefined;
  for (const tensor of byOffset) {
    const place = `${source.name}: tensor ${quote(tensor.name)}`;
    if ((tensor.offset - dataStart) % alignment !== 0) {
      throw new GgufError(
        `${place}: wanted an offset that is a multiple of ${alignment}, got ${tensor.offset - dataStart}: ${DOWNLOAD_AGAIN}`,
      );
    }
    if (previous && endOf(previous) > tensor.offset) {
      throw new GgufError(
        `${place}: wanted bytes of its own, got an overlap: it starts at byte ${tensor.offset}, ` +
          `before ${quote(previous.name)} ends at byte ${endOf(previous)}: ${DOWNLOAD_AGAIN}`,
      );
    }
    previous = tensor;
    if (!last || endOf(tensor) > endOf(last)) last = tensor;
  }
  if (last && endOf(last) > source.size) {
    throw new GgufError(
      `${source.name}: the file is truncated or its tensor table damaged: ${endOf(last)} bytes expected ` +
        `(the end of tensor ${quote(last.name)}), ${source.size} found: download it again`,
    );
  }
}

function endOf(tensor: GgufTensor): number {
  return tensor.offset + tensor.bytes;
}
