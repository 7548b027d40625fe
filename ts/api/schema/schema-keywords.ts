import { UnsupportedSchemaError } from "../../errors.ts";

export type Schema = Readonly<Record<string, unknown>>;

/** Keywords that describe and do not forbid. */
const NOTES = new Set([
  ...["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"],
  ...["$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "contentMediaType", "contentEncoding"],
]);

/** Keywords by the type of the values that they are about. */
export const KEYWORDS = {
  object: ["properties", "required", "additionalProperties", "minProperties", "maxProperties", "propertyNames"],
  array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
  string: ["minLength", "maxLength", "format", "pattern"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
} as const;

/** Assertions that a grammar cannot make, or that are not made yet. Words that no specification knows are notes. */
const REFUSED = new Set([
  ...["not", "if", "then", "else", "patternProperties", "contains", "minContains", "maxContains", "dependentRequired"],
  ...["dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems", "additionalItems", "$dynamicRef", "$recursiveRef"],
]);

/** A schema's assertions: its keywords without those that only describe. Throws UnsupportedSchemaError for one that cannot be held. */
export function assertions(schema: Schema, path: string): string[] {
  return Object.keys(schema).filter((key) => {
    if (REFUSED.has(key) && schema[key] !== undefined) {
      throw new UnsupportedSchemaError(`${path}/${key}`, `answers cannot be held to ${key}`, "leave it out, and check the answer yourself");
    }
    return !NOTES.has(key) && schema[key] !== undefined && (COMBINING.has(key) || typeOfKeyword(key) !== undefined || key === "type");
  });
}

const COMBINING = new Set(["$ref", "const", "enum", "anyOf", "oneOf", "allOf"]);

export function typeOfKeyword(keyword: string): keyof typeof KEYWORDS | undefined {
  for (const type of Object.keys(KEYWORDS) as (keyof typeof KEYWORDS)[]) {
    if ((KEYWORDS[type] as readonly string[]).includes(keyword)) return type;
  }
  return undefined;
}

/** A keyword that must be a whole number of at least 0. */
export function count(schema: Schema, keyword: string, path: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new UnsupportedSchemaError(`${path}/${keyword}`, `wanted a whole number, got ${JSON.stringify(value)}`, "correct it");
}
