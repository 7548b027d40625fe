import type { GgufError } from "../errors.ts";
import { DOWNLOAD_AGAIN, type HeaderCursor } from "./gguf-cursor.ts";
import {
  ARRAY_PREFIX_BYTES,
  MAX_ARRAY_DEPTH,
  MAX_ARRAY_LENGTH,
  MAX_NESTED_ARRAYS,
  MAX_STRING_BYTES,
  STRING_LENGTH_BYTES,
} from "./gguf-limits.ts";
import type { GgufArray, GgufField, GgufScalar } from "./metadata.ts";

/** How one GGUF value type is read. `many` gets the bytes of a whole array, copied. */
interface ValueType {
  readonly name: string;
  readonly bytes: number;
  readonly one: (cursor: HeaderCursor) => GgufScalar;
  readonly many: (bytes: ArrayBuffer, cursor: HeaderCursor) => GgufArray;
}

const STRING_ID = 8;
const ARRAY_ID = 9;

// By the id that files carry. Strings and arrays (8 and 9) have no fixed size and are read below.
const FIXED_TYPES: ReadonlyMap<number, ValueType> = new Map([
  [0, { name: "u8", bytes: 1, one: (c) => c.u8(), many: (b) => new Uint8Array(b) }],
  [1, { name: "i8", bytes: 1, one: (c) => c.i8(), many: (b) => new Int8Array(b) }],
  [2, { name: "u16", bytes: 2, one: (c) => c.u16(), many: (b) => new Uint16Array(b) }],
  [3, { name: "i16", bytes: 2, one: (c) => c.i16(), many: (b) => new Int16Array(b) }],
  [4, { name: "u32", bytes: 4, one: (c) => c.u32(), many: (b) => new Uint32Array(b) }],
  [5, { name: "i32", bytes: 4, one: (c) => c.i32(), many: (b) => new Int32Array(b) }],
  [6, { name: "f32", bytes: 4, one: (c) => c.f32(), many: (b) => new Float32Array(b) }],
  [7, { name: "bool", bytes: 1, one: (c) => boolean(c.u8(), c), many: (b, c) => Array.from(new Uint8Array(b), (x) => boolean(x, c)) }],
  [10, { name: "u64", bytes: 8, one: (c) => c.u64(), many: (b) => safeNumbers(new BigUint64Array(b)) }],
  [11, { name: "i64", bytes: 8, one: (c) => c.i64(), many: (b) => safeNumbers(new BigInt64Array(b)) }],
  [12, { name: "f64", bytes: 8, one: (c) => c.f64(), many: (b) => new Float64Array(b) }],
] satisfies [number, ValueType][]);

/** What one file may still spend on arrays in arrays. */
export interface ValueBudget {
  nestedArrays: number;
}

export function newValueBudget(): ValueBudget {
  return { nestedArrays: MAX_NESTED_ARRAYS };
}

/** Reads a value type and the value behind it. */
export async function readField(cursor: HeaderCursor, budget: ValueBudget): Promise<GgufField> {
  await cursor.need(4);
  const id = cursor.u32();
  if (id === STRING_ID) return { type: "string", value: await cursor.string(MAX_STRING_BYTES) };
  if (id === ARRAY_ID) return readArray(cursor, budget, 1);
  const type = FIXED_TYPES.get(id);
  if (!type) throw unknownType(cursor, id);
  await cursor.need(type.bytes);
  return { type: type.name, value: type.one(cursor) };
}

async function readArray(cursor: HeaderCursor, budget: ValueBudget, depth: number): Promise<{ type: string; value: GgufArray }> {
  if (depth > MAX_ARRAY_DEPTH) throw cursor.fail(`wanted arrays at most ${MAX_ARRAY_DEPTH} deep, got deeper ones: ${DOWNLOAD_AGAIN}`);
  await cursor.need(ARRAY_PREFIX_BYTES);
  const id = cursor.u32();
  if (id === STRING_ID) return { type: "array of string", value: await readStrings(cursor) };
  if (id === ARRAY_ID) return readArrays(cursor, budget, depth);
  const type = FIXED_TYPES.get(id);
  if (!type) throw unknownType(cursor, id);
  const length = await cursor.count(`elements of type ${type.name}`, type.bytes, MAX_ARRAY_LENGTH);
  await cursor.need(length * type.bytes);
  return { type: `array of ${type.name}`, value: type.many(cursor.copy(length * type.bytes), cursor) };
}

async function readStrings(cursor: HeaderCursor): Promise<string[]> {
  const length = await cursor.count("elements of type string", STRING_LENGTH_BYTES, MAX_ARRAY_LENGTH);
  const strings: string[] = [];
  for (let i = 0; i < length; i++) strings.push(cursor.stringAtHand(MAX_STRING_BYTES) ?? (await cursor.string(MAX_STRING_BYTES)));
  return strings;
}

async function readArrays(cursor: HeaderCursor, budget: ValueBudget, depth: number): Promise<{ type: string; value: GgufArray[] }> {
  const length = await cursor.count("elements of type array", ARRAY_PREFIX_BYTES, MAX_ARRAY_LENGTH);
  budget.nestedArrays -= length;
  if (budget.nestedArrays < 0) {
    throw cursor.fail(`wanted at most ${MAX_NESTED_ARRAYS} arrays in arrays, got ${length} more: ${DOWNLOAD_AGAIN}`);
  }
  const arrays: GgufArray[] = [];
  for (let i = 0; i < length; i++) arrays.push((await readArray(cursor, budget, depth + 1)).value);
  return { type: "array of array", value: arrays };
}

function unknownType(cursor: HeaderCursor, id: number): GgufError {
  return cursor.fail(`wanted a value type from 0 to 12, got ${id}: ${DOWNLOAD_AGAIN}`);
}

function boolean(byte: number, cursor: HeaderCursor): boolean {
  if (byte > 1) throw cursor.fail(`wanted a boolean, 0 or 1, got ${byte}: ${DOWNLOAD_AGAIN}`);
  return byte === 1;
}

function safeNumbers<T extends BigUint64Array | BigInt64Array>(values: T): Float64Array | T {
  const numbers = Float64Array.from(values as Iterable<bigint>, Number);
  return numbers.every(Number.isSafeInteger) ? numbers : values;
}
