import { InvalidArgumentError } from "../errors.ts";
import { GGML_TYPES } from "./ggml-types.ts";
import { DEFAULT_ALIGNMENT, MAX_ALIGNMENT, MAX_DIMENSIONS, MIN_ALIGNMENT } from "./gguf-limits.ts";
import { type GgufField, type GgufScalar, quote } from "./metadata.ts";

/** A tensor that is to be written: `type` a ggml type id, `shape` row-major (the last dimension contiguous). */
export interface TensorEntry {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
}

/** Where one tensor's data goes, in bytes from the start of the file. Zeros follow it up to `offset + bytes + padding`. */
export interface TensorPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly padding: number;
}

/** A file without its tensor data: write `header`, then each tensor's bytes and padding in order. */
export interface GgufLayout {
  /** Magic to the end of the tensor table, padded to where the data starts. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** In the order of the tensors. */
  readonly places: readonly TensorPlace[];
  readonly fileBytes: number;
}

/** Metadata values by their types in the file, as `openGguf` gives them back. */
export const field = {
  u8: (value: number): GgufField => ({ type: "u8", value }),
  u16: (value: number): GgufField => ({ type: "u16", value }),
  u32: (value: number): GgufField => ({ type: "u32", value }),
  i32: (value: number): GgufField => ({ type: "i32", value }),
  u64: (value: number | bigint): GgufField => ({ type: "u64", value }),
  f32: (value: number): GgufField => ({ type: "f32", value }),
  bool: (value: boolean): GgufField => ({ type: "bool", value }),
  string: (value: string): GgufField => ({ type: "string", value }),
  strings: (value: readonly string[]): GgufField => ({ type: "array of string", value }),
  i32s: (value: readonly number[]): GgufField => ({ type: "array of i32", value: Int32Array.from(value) }),
};

/**
 * Lays out a GGUF (version 3, little-endian): the reader's own fields can be written back as they are. Each tensor starts at a multiple
 * of `general.alignment`, 32 where the metadata has no such key.
 *
 * Throws InvalidArgumentError for a value that its type cannot hold, arrays in arrays, a name that comes twice, an unknown ggml type,
 * a row that is not whole blocks.
 */
export function layoutGguf(metadata: Iterable<readonly [key: string, value: GgufField]>, tensors: readonly TensorEntry[]): GgufLayout {
  const fields = new Map<string, GgufField>();
  for (const [key, value] of metadata) {
    if (fields.has(key)) throw new InvalidArgumentError(`key ${quote(key)}: wanted every key once, got it a second time`);
    fields.set(key, value);
  }
  const unit = alignmentOf(fields);
  const out = new ByteSink();
  out.text("GGUF").u32(3).u64(tensors.length).u64(fields.size);
  for (const [key, value] of fields) writeField(out, key, value);
  const sizes = tensors.map(bytesOf);
  const names = new Set<string>();
  let offset = 0;
  tensors.forEach((tensor, i) => {
    if (names.has(tensor.name)) throw new InvalidArgumentError(`tensor ${quote(tensor.name)}: wanted every tensor once, got it twice`);
    names.add(tensor.name);
    writeEntry(out, tensor, offset);
    offset += alignUp(sizes[i]!, unit);
  });
  const header = out.finish(unit);
  let next = header.byteLength;
  const places = sizes.map((bytes) => {
    const place = { offset: next, bytes, padding: alignUp(bytes, unit) - bytes };
    next += bytes + place.padding;
    return place;
  });
  return { header, places, fileBytes: next };
}

const alignUp = (value: number, unit: number) => Math.ceil(value / unit) * unit;

function alignmentOf(fields: ReadonlyMap<string, GgufField>): number {
  const value = fields.get("general.alignment")?.value ?? DEFAULT_ALIGNMENT;
  const fits = typeof value === "number" && value >= MIN_ALIGNMENT && value <= MAX_ALIGNMENT && (value & (value - 1)) === 0;
  if (fits) return value;
  throw new InvalidArgumentError(`key "general.alignment": wanted a power of two from ${MIN_ALIGNMENT} to ${MAX_ALIGNMENT}, got ${value}`);
}

function bytesOf({ name, type, shape }: TensorEntry): number {
  const known = GGML_TYPES.get(type);
  if (!known) throw new InvalidArgumentError(`tensor ${quote(name)}: wanted a known ggml type, got id ${type}`);
  const sound = shape.every((extent) => Number.isSafeInteger(extent) && extent >= 1);
  if (!sound || shape.length < 1 || shape.length > MAX_DIMENSIONS) {
    throw new InvalidArgumentError(`tensor ${quote(name)}: wanted 1 to ${MAX_DIMENSIONS} dimensions from 1 up, got [${shape.join(", ")}]`);
  }
  if (shape.at(-1)! % known.blockSize !== 0) {
    const wanted = `rows of a multiple of ${known.blockSize} elements for ${known.name}`;
    throw new InvalidArgumentError(`tensor ${quote(name)}: wanted ${wanted}, got [${shape.join(", ")}]`);
  }
  const bytes = (shape.reduce((a, b) => a * b, 1) / known.blockSize) * known.blockBytes;
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError(`tensor ${quote(name)}: [${shape.join(", ")}] is too large for a file`);
  return bytes;
}

function writeEntry(out: ByteSink, { name, type, shape }: TensorEntry, offset: number): void {
  out.string(name).u32(shape.length);
  for (const extent of shape.toReversed()) out.u64(extent);
  out.u32(type).u64(offset);
}

const STRING_ID = 8;
const ARRAY_ID = 9;

/** How a scalar type is written, and what it can hold. */
interface ScalarType {
  readonly id: number;
  readonly fits: (value: GgufScalar) => boolean;
  readonly put: (out: ByteSink, value: GgufScalar) => void;
}

const integer = (least: bigint, most: bigint) => (value: GgufScalar) =>
  (typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))) && value >= least && value <= most;
const unsigned = (bits: bigint) => integer(0n, 2n ** bits - 1n);
const signed = (bits: bigint) => integer(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n);
const isNumber = (value: GgufScalar) => typeof value === "number";

const SCALARS: ReadonlyMap<string, ScalarType> = new Map([
  ["u8", { id: 0, fits: unsigned(8n), put: (out, v) => out.u8(Number(v)) }],
  ["i8", { id: 1, fits: signed(8n), put: (out, v) => out.u8(Number(v) & 255) }],
  ["u16", { id: 2, fits: unsigned(16n), put: (out, v) => out.u16(Number(v)) }],
  ["i16", { id: 3, fits: signed(16n), put: (out, v) => out.u16(Number(v) & 65535) }],
  ["u32", { id: 4, fits: unsigned(32n), put: (out, v) => out.u32(Number(v)) }],
  ["i32", { id: 5, fits: signed(32n), put: (out, v) => out.u32(Number(v) >>> 0) }],
  ["f32", { id: 6, fits: isNumber, put: (out, v) => out.f32(Number(v)) }],
  ["bool", { id: 7, fits: (value) => typeof value === "boolean", put: (out, v) => out.u8(v ? 1 : 0) }],
  ["string", { id: STRING_ID, fits: (value) => typeof value === "string", put: (out, v) => out.string(String(v)) }],
  ["u64", { id: 10, fits: unsigned(64n), put: (out, v) => out.u64(v as number | bigint) }],
  ["i64", { id: 11, fits: signed(64n), put: (out, v) => out.u64(BigInt.asUintN(64, BigInt(v))) }],
  ["f64", { id: 12, fits: isNumber, put: (out, v) => out.f64(Number(v)) }],
] satisfies [string, ScalarType][]);

function writeField(out: ByteSink, key: string, { type, value }: GgufField): void {
  const isArray = type.startsWith("array of ");
  const scalar = SCALARS.get(isArray ? type.slice("array of ".length) : type);
  if (!scalar || isArray !== (typeof value === "object")) {
    throw new InvalidArgumentError(
      `key ${quote(key)}: wanted a scalar or an array of scalars with its type, got ${typeof value} as "${type}"`,
    );
  }
  const put = (item: GgufScalar) => {
    if (!scalar.fits(item)) throw new InvalidArgumentError(`key ${quote(key)}: ${quote(String(item))} does not fit into type ${type}`);
    scalar.put(out, item);
  };
  out.string(key);
  if (typeof value !== "object") {
    out.u32(scalar.id);
    put(value);
    return;
  }
  out.u32(ARRAY_ID).u32(scalar.id).u64(value.length);
  for (const item of value) put(item as GgufScalar);
}

/** Little-endian bytes that grow as they are written. */
class ByteSink {
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8 = (value: number): this => this.#put(1, (at) => this.#view.setUint8(at, value));
  u16 = (value: number): this => this.#put(2, (at) => this.#view.setUint16(at, value, true));
  u32 = (value: number): this => this.#put(4, (at) => this.#view.setUint32(at, value, true));
  u64 = (value: number | bigint): this => this.#put(8, (at) => this.#view.setBigUint64(at, BigInt(value), true));
  f32 = (value: number): this => this.#put(4, (at) => this.#view.setFloat32(at, value, true));
  f64 = (value: number): this => this.#put(8, (at) => this.#view.setFloat64(at, value, true));

  /** UTF-8, without a length before it. */
  text(text: string): this {
    this.#reserve(3 * text.length); // the most that UTF-8 takes for a UTF-16 unit
    this.#length += this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
    return this;
  }

  /** A GGUF string: its length in bytes, then UTF-8. */
  string(text: string): this {
    const start = this.#length;
    this.u64(0).text(text);
    this.#view.setBigUint64(start, BigInt(this.#length - start - 8), true);
    return this;
  }

  /** What was written, and zeros up to a multiple of `unit`. */
  finish(unit: number): Uint8Array<ArrayBuffer> {
    const padded = new Uint8Array(alignUp(this.#length, unit));
    padded.set(this.#bytes.subarray(0, this.#length));
    return padded;
  }

  #put(bytes: number, write: (at: number) => void): this {
    this.#reserve(bytes);
    write(this.#length);
    this.#length += bytes;
    return this;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.byteLength, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
