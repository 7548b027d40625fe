import { GgufError } from "../errors.ts";

/** A single value. 64-bit integers are numbers while they are safe integers, bigints beyond. */
export type GgufScalar = number | bigint | boolean | string;

/** An array value. 64-bit integer arrays are Float64Array while every element is a safe integer, BigInt arrays otherwise. */
export type GgufArray = NumberArray | BigUint64Array | BigInt64Array | readonly boolean[] | readonly string[] | readonly GgufArray[];

/** An array of numbers, as the file has it. */
export type NumberArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** Any value of a key. */
export type GgufValue = GgufScalar | GgufArray;

/** A value with its type in the file, as "u32", "string" or "array of f32". */
export interface GgufField {
  readonly type: string;
  readonly value: GgufValue;
}

/** The longest piece of a file's own text that a message repeats. */
const SHOWN_CHARACTERS = 60;

/** A name or string of the file, quoted for a message: control characters escaped, long ones cut. */
export function quote(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}…`;
}

/**
 * The key-value part of a GGUF file. `get…(key)` throws GgufError when the key is absent or of another kind;
 * `optional…(key)` gives undefined when it is absent and still throws when it is of another kind.
 */
export class Metadata {
  /** The file's name, for messages. */
  readonly name: string;
  readonly fields: ReadonlyMap<string, GgufField>;

  constructor(name: string, fields: ReadonlyMap<string, GgufField>) {
    this.name = name;
    this.fields = fields;
  }

  /** Whether the file has this key. */
  has(key: string): boolean {
    return this.fields.has(key);
  }

  /** The value as the file has it, undefined when absent. */
  get(key: string): GgufValue | undefined {
    return this.fields.get(key)?.value;
  }

  getNumber(key: string): number {
    return this.#required(key, "a number", this.optionalNumber(key));
  }

  optionalNumber(key: string): number | undefined {
    return this.#checked(key, "a number", (value) => (typeof value === "number" ? value : undefined));
  }

  /** A count or size: a whole number from 0 up. */
  getCount(key: string): number {
    return this.#required(key, "a whole number >= 0", this.optionalCount(key));
  }

  optionalCount(key: string): number | undefined {
    return this.#checked(key, "a whole number >= 0", (value) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined,
    );
  }

  getString(key: string): string {
    return this.#required(key, "a string", this.optionalString(key));
  }

  optionalString(key: string): string | undefined {
    return this.#checked(key, "a string", (value) => (typeof value === "string" ? value : undefined));
  }

  getBoolean(key: string): boolean {
    return this.#required(key, "a boolean", this.optionalBoolean(key));
  }

  optionalBoolean(key: string): boolean | undefined {
    return this.#checked(key, "a boolean", (value) => (typeof value === "boolean" ? value : undefined));
  }

  getStrings(key: string): readonly string[] {
    return this.#required(key, "an array of strings", this.optionalStrings(key));
  }

  optionalStrings(key: string): readonly string[] | undefined {
    return this.#checked(key, "an array of strings", (value) => (isStrings(value, this.fields.get(key)?.type) ? value : undefined));
  }

  getNumbers(key: string): NumberArray {
    return this.#required(key, "an array of numbers", this.optionalNumbers(key));
  }

  optionalNumbers(key: string): NumberArray | undefined {
    return this.#checked(key, "an array of numbers", (value) => (isNumbers(value) ? value : undefined));
  }

  getBooleans(key: string): readonly boolean[] {
    return this.#required(key, "an array of booleans", this.optionalBooleans(key));
  }

  optionalBooleans(key: string): readonly boolean[] | undefined {
    return this.#checked(key, "an array of booleans", (value) => (isBooleans(value, this.fields.get(key)?.type) ? value : undefined));
  }

  #checked<T>(key: string, wanted: string, narrow: (value: GgufValue) => T | undefined): T | undefined {
    const field = this.fields.get(key);
    if (!field) return undefined;
    const value = narrow(field.value);
    if (value !== undefined) return value;
    throw new GgufError(
      `${this.name}: key ${quote(key)}: wanted ${wanted}, got ${describe(field)}: convert the model again with a current converter`,
    );
  }

  #required<T>(key: string, wanted: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new GgufError(
      `${this.name}: key ${quote(key)}: wanted ${wanted}, got nothing, the key is absent: ` +
        "this is no complete model file of this architecture: use another file or convert the model again",
    );
  }
}

function describe({ type, value }: GgufField): string {
  if (typeof value === "string") return `string ${quote(value)}`;
  return typeof value === "object" ? `${type}, ${value.length} long` : `${type} ${value}`;
}

// The element types of an empty array can only be told from the field's type.
function isStrings(value: GgufValue, type: string | undefined): value is readonly string[] {
  return Array.isArray(value) && type === "array of string";
}

function isBooleans(value: GgufValue, type: string | undefined): value is readonly boolean[] {
  return Array.isArray(value) && type === "array of bool";
}

function isNumbers(value: GgufValue): value is NumberArray {
  return ArrayBuffer.isView(value) && !(value instanceof BigUint64Array) && !(value instanceof BigInt64Array);
}
