import { isObject } from "../tools/parameters.ts";

/** Whether no value can match two of the schemas, as far as types and constants tell: then oneOf means anyOf. */
export function disjoint(branches: readonly unknown[], lookUp: (reference: unknown) => unknown): boolean {
  const schemas = branches.map((branch) => (isObject(branch) && "$ref" in branch ? lookUp(branch.$ref) : branch));
  return schemas.every((a, i) => schemas.slice(i + 1).every((b) => apart(a, b)));
}

function apart(a: unknown, b: unknown): boolean {
  if (!isObject(a) || !isObject(b)) return false;
  const [valuesA, valuesB] = [values(a), values(b)];
  if (valuesA && valuesB) return !valuesA.some((value) => valuesB.includes(value));
  const [typesA, typesB] = [kinds(a), kinds(b)];
  if (typesA && typesB && !typesA.some((type) => typesB.includes(type))) return true;
  const [propertiesA, propertiesB] = [a.properties, b.properties];
  if (!isObject(propertiesA) || !isObject(propertiesB) || a.type !== "object" || b.type !== "object") return false;
  return Object.keys(propertiesA).some((name) => {
    const required = [a.required, b.required].every((names) => Array.isArray(names) && names.includes(name));
    const [of, other] = [values(propertiesA[name]), values(propertiesB[name])];
    return required && of !== undefined && other !== undefined && !of.some((value) => other.includes(value));
  });
}

/** The values that a schema lists, as JSON. */
function values(schema: unknown): string[] | undefined {
  if (!isObject(schema)) return undefined;
  if ("const" in schema) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : undefined;
}

/** The types of a schema's values, integers being numbers. */
function kinds(schema: Record<string, unknown>): string[] | undefined {
  const listed = values(schema);
  const given = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? undefined : [schema.type];
  if (given) return given.map((type) => (type === "integer" ? "number" : String(type)));
  return listed?.map((text) => {
    const value: unknown = JSON.parse(text);
    return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  });
}
