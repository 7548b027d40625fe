/** The types that a metadata value can have in a file, as ts/io names them. */
export type ScalarType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "bool" | "string" | "u64" | "i64" | "f64";

export type Scalar = number | bigint | boolean | string;

export type Field = { type: ScalarType; value: Scalar } | ArrayField;

export type ArrayField =
  | { type: "array"; of: ScalarType; value: Iterable<Scalar> }
  | { type: "array"; of: "array"; value: readonly ArrayField[] };

export interface WriteTensor {
  name: string;
  /** ggml type id. */
  type: number;
  /** Row-major: the last dimension is contiguous. */
  shape: readonly number[];
  data: Uint8Array;
}

export interface WriteGguf {
  metadata: readonly (readonly [string, Field])[];
  tensors: readonly WriteTensor[];
  version?: 2 | 3;
  /** Of the tensor data. When given, it is written as `general.alignment` too. */
  alignment?: number;
}

const TYPE_IDS = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 } as const;

export const u32 = (value: number): Field => ({ type: "u32", value });
export const str = (value: string): Field => ({ type: "string", value });
export const list = (of: ScalarType, value: Iterable<Scalar>): ArrayField => ({ type: "array", of, value });

/** Little-endian bytes, piece by piece: what a GGUF file is made of, sound or damaged. */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8 = (value: number): this => this.#number(1, (at) => this.#view.setUint8(at, value));
  i8 = (value: number): this => this.#number(1, (at) => this.#view.setInt8(at, value));
  u16 = (value: number): this => this.#number(2, (at) => this.#view.setUint16(at, value, true));
  i16 = (value: number): this => this.#number(2, (at) => this.#view.setInt16(at, value, true));
  u32 = (value: number): this => this.#number(4, (at) => this.#view.setUint32(at, value, true));
  i32 = (value: number): this => this.#number(4, (at) => this.#view.setInt32(at, value, true));
  f32 = (value: number): this => this.#number(4, (at) => this.#view.setFloat32(at, value, true));
  f64 = (value: number): this => this.#number(8, (at) => this.#view.setFloat64(at, value, true));
  u64 = (value: number | bigint): this => this.#number(8, (at) => this.#view.setBigUint64(at, BigInt(value), true));
  i64 = (value: number | bigint): this => this.#number(8, (at) => this.#view.setBigInt64(at, BigInt(value), true));

  bytes(values: Uint8Array): this {
    return this.#number(values.byteLength, (at) => this.#bytes.set(values, at));
  }

  string(text: string): this {
    const utf8 = new TextEncoder().encode(text);
    return this.u64(utf8.byteLength).bytes(utf8);
  }

  align(alignment: number): this {
    return this.bytes(new Uint8Array((alignment - (this.#length % alignment)) % alignment));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #number(bytes: number, write: (at: number) => void): this {
    if (this.#length + bytes > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(this.#bytes.byteLength * 2, this.#length + bytes));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    write(this.#length);
    this.#length += bytes;
    return this;
  }
}

/** Magic, version and the two counts. */
export function writeStart(out: ByteWriter, version: number, tensorCount: number | bigint, keyCount: number | bigint): ByteWriter {
  return out.bytes(new TextEncoder().encode("GGUF")).u32(version).u64(tensorCount).u64(keyCount);
}

export function writeKey(out: ByteWriter, key: string, field: Field): ByteWriter {
  out.string(key).u32(TYPE_IDS[field.type]);
  return field.type === "array" ? writeArray(out, field) : writeScalar(out, field.type, field.value);
}

/** @param ne The dimensions as the file has them, the contiguous one first. */
export function writeTensorEntry(out: ByteWriter, name: string, ne: readonly (number | bigint)[], type: number, offset: number | bigint) {
  out.string(name).u32(ne.length);
  for (const extent of ne) out.u64(extent);
  return out.u32(type).u64(offset);
}

/** A whole file. The last tensor's data ends the file, without padding. */
export function writeGguf({ metadata, tensors, version = 3, alignment }: WriteGguf): Uint8Array<ArrayBuffer> {
  const fields = alignment === undefined ? metadata : [...metadata, ["general.alignment", u32(alignment)] as const];
  const unit = alignment ?? 32;
  const out = writeStart(new ByteWriter(), version, tensors.length, fields.length);
  for (const [key, field] of fields) writeKey(out, key, field);
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    writeTensorEntry(out, name, shape.toReversed(), type, offset);
    offset = Math.ceil((offset + data.byteLength) / unit) * unit;
  }
  for (const { data } of tensors) out.align(unit).bytes(data);
  return out.finish();
}

function writeArray(out: ByteWriter, field: ArrayField): ByteWriter {
  out.u32(TYPE_IDS[field.of]);
  if (field.of === "array") {
    out.u64(field.value.length);
    for (const inner of field.value) writeArray(out, inner);
  } else {
    const values = [...field.value];
    out.u64(values.length);
    for (const value of values) writeScalar(out, field.of, value);
  }
  return out;
}

function writeScalar(out: ByteWriter, type: ScalarType, value: Scalar): ByteWriter {
  if (type === "string") return out.string(String(value));
  if (type === "bool") return out.u8(value ? 1 : 0);
  if (type === "u64" || type === "i64") return out[type](BigInt(value));
  return out[type](Number(value));
}
