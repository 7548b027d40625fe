import { UnsupportedSchemaError } from "../../errors.ts";
import { isObject } from "../tools/parameters.ts";
import { disjoint } from "./disjoint.ts";
import { integerRange, LARGEST, numberRange } from "./numbers.ts";
import { patternString } from "./pattern.ts";
import { assertions, count, type Schema, typeOfKeyword } from "./schema-keywords.ts";
import { alternatives, FORMATS, list, literal, text } from "./terminals.ts";

type JsonType = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null";
const TYPES: readonly JsonType[] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/**
 * Writes grammars from JSON schemas (draft 2020-12): every text of the grammar is JSON that validates. Objects have the properties that are
 * named, in the schema's order, optional ones left out or not; `additionalProperties` counts only where none are named. What a grammar
 * cannot hold (`not`, `uniqueItems`, …) is refused. xgrammar's own converter is not used: it accepts such keywords silently,
 * and some of its texts are no JSON (a raw tab in a string with maxLength, any character for the point of a bounded number).
 */
export class SchemaGrammar {
  readonly #rules: Map<string, string>;
  readonly #references = new Map<string, string>();
  readonly #root: unknown;

  /** @param root The schema in which `$ref` is looked up. @param rules Those of other schemas in the same grammar. */
  constructor(root: unknown, rules: Map<string, string> = new Map()) {
    this.#root = root;
    this.#rules = rules;
  }

  /** EBNF of `schema`'s values. Throws UnsupportedSchemaError naming the place. */
  expression(schema: unknown, path = ""): string {
    if (schema === true) return "value";
    if (!isObject(schema)) {
      const came = schema === false ? "false, which nothing satisfies" : `${JSON.stringify(schema)}, which is no schema`;
      throw new UnsupportedSchemaError(path, `got ${came}`, "give an object or true");
    }
    const keys = assertions(schema, path);
    for (const key of ["$ref", "anyOf", "oneOf", "allOf"] as const) if (keys.includes(key)) return this.#combined(schema, key, keys, path);
    if (keys.includes("const") || keys.includes("enum")) return this.#listed(schema, keys, path);
    return this.#typed(schema, keys, path);
  }

  #rule(text: string): string {
    const name = `rule${this.#rules.size}`;
    this.#rules.set(name, text);
    return name;
  }

  #combined(schema: Schema, key: "$ref" | "anyOf" | "oneOf" | "allOf", keys: readonly string[], path: string): string {
    const beside = keys.filter((other) => other !== key && !(other === "type" && key !== "$ref"));
    if (beside.length > 0) throw new UnsupportedSchemaError(path, `${beside.join(", ")} beside ${key}`, "put all of it into one of them");
    if (key === "$ref") return this.#reference(schema.$ref, path);
    const branches = schema[key];
    if (!Array.isArray(branches) || branches.length === 0) {
      throw new UnsupportedSchemaError(`${path}/${key}`, "wanted a list of schemas", "correct it");
    }
    if (key === "allOf" && branches.length > 1) {
      throw new UnsupportedSchemaError(`${path}/allOf`, "several schemas at once", "write them as one");
    }
    if (key === "oneOf" && !disjoint(branches, (reference) => this.#lookUp(reference, path))) {
      const todo = "give each branch a type of its own, or one required property with a const of its own, or use anyOf";
      throw new UnsupportedSchemaError(`${path}/oneOf`, "a value could match two branches", todo);
    }
    const typed = schema.type === undefined ? branches : branches.map((branch) => withType(branch, schema.type));
    return alternatives(typed.map((branch, i) => this.expression(branch, `${path}/${key}/${i}`)));
  }

  #reference(reference: unknown, path: string): string {
    const known = this.#references.get(String(reference));
    if (known) return known;
    const schema = this.#lookUp(reference, path);
    const name = `rule${this.#rules.size}`;
    this.#references.set(String(reference), name);
    this.#rules.set(name, ""); // keeps its place: the schema may refer to itself
    this.#rules.set(name, this.expression(schema, String(reference).slice(1)));
    return name;
  }

  #lookUp(reference: unknown, path: string): unknown {
    const wrong = () =>
      new UnsupportedSchemaError(`${path}/$ref`, `nothing at ${JSON.stringify(reference)}`, "refer into this schema (#/…)");
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) throw wrong();
    let at: unknown = this.#root;
    for (const step of reference.split("/").slice(1)) {
      const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      at = typeof at === "object" && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined;
    }
    if (at === undefined) throw wrong();
    return at;
  }

  #listed(schema: Schema, keys: readonly string[], path: string): string {
    const beside = keys.filter((key) => key !== "const" && key !== "enum" && key !== "type");
    if (beside.length > 0) throw new UnsupportedSchemaError(path, `${beside.join(", ")} beside a list of values`, "leave it out");
    if ("enum" in schema && !Array.isArray(schema.enum)) throw new UnsupportedSchemaError(`${path}/enum`, "wanted a list", "correct it");
    const values: unknown[] = "const" in schema ? [schema.const] : (schema.enum as unknown[]);
    const allowed = types(schema, path);
    const fitting = values.filter((value) => allowed === undefined || allowed.some((type) => hasType(value, type)));
    if (fitting.length === 0) throw new UnsupportedSchemaError(path, "no value is allowed", "correct the list or its type");
    return alternatives(fitting.map((value) => literal(compact(value))));
  }

  #typed(schema: Schema, keys: readonly string[], path: string): string {
    const about = keys.map(typeOfKeyword).filter((type) => type !== undefined);
    const allowed = types(schema, path) ?? (about.length > 0 ? [...new Set(about)] : undefined);
    if (!allowed) return "value";
    return alternatives(allowed.map((type) => this.#ofType(type, schema, path)));
  }

  #ofType(type: JsonType, schema: Schema, path: string): string {
    switch (type) {
      case "object":
        return this.#object(schema, path);
      case "array":
        return this.#array(schema, path);
      case "string":
        return this.#string(schema, path);
      case "number":
      case "integer":
        return numeric(type, schema, path);
      default:
        return type;
    }
  }

  #string(schema: Schema, path: string): string {
    const [least, most] = range(schema, "Length", path);
    if (schema.pattern !== undefined) {
      if (least > 0 || most !== undefined) throw new UnsupportedSchemaError(path, "a length beside pattern", "write it in the pattern");
      return patternString(schema.pattern, `${path}/pattern`); // a format beside it is a note
    }
    const format = typeof schema.format === "string" ? FORMATS[schema.format] : undefined;
    if (format !== undefined) {
      if (least > 0 || most !== undefined) throw new UnsupportedSchemaError(path, "a length beside format", "leave one of them out");
      return `("\\"" ${format} "\\"")`;
    }
    return text(least, most);
  }

  #array(schema: Schema, path: string): string {
    const [least, most] = range(schema, "Items", path);
    if (schema.uniqueItems === true) {
      throw new UnsupportedSchemaError(
        `${path}/uniqueItems`,
        "answers cannot be held to it",
        "leave it out, and check the answer yourself",
      );
    }
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : [];
    const fixed = prefix.map((item, i) => this.expression(item, `${path}/prefixItems/${i}`));
    const open = schema.items !== false && (most === undefined || most > fixed.length);
    if (fixed.length === 0) {
      if (!open || most === 0) return least === 0 ? '"[]"' : none(path);
      return `("[" ${list(this.#rule(this.expression(schema.items ?? true, `${path}/items`)), least, most)} "]")`;
    }
    if (least > fixed.length || (most ?? Number.POSITIVE_INFINITY) < fixed.length) {
      throw new UnsupportedSchemaError(path, "minItems or maxItems parts prefixItems", "ask for as many items as it has");
    }
    // What may follow the prefix is left out: shorter arrays than the schema allows, never longer ones.
    return `("[" ${fixed.join(' ", " ')} "]")`;
  }

  #object(schema: Schema, path: string): string {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = new Set(Array.isArray(schema.required) ? schema.required.map(String) : []);
    const names = [...new Set([...Object.keys(properties), ...required])];
    const rest = schema.additionalProperties ?? true;
    const [least, most] = range(schema, "Properties", path);
    if (schema.propertyNames !== undefined && compact(schema.propertyNames) !== '{"type": "string"}') {
      throw new UnsupportedSchemaError(`${path}/propertyNames`, "names cannot be held to a schema", "leave it out, or name the properties");
    }
    const bounded = new UnsupportedSchemaError(
      path,
      "the number of properties depends on which are chosen",
      "require them, or leave it out",
    );
    if (names.length === 0) {
      if (rest === false || most === 0) return least === 0 ? '"{}"' : none(path);
      // A name may come twice and count once.
      if (least > 1) throw bounded;
      const value = rest === true ? "value" : this.#rule(this.expression(rest, `${path}/additionalProperties`));
      return `("{" ${list(`string ": " ${value}`, least, most)} "}")`;
    }
    if (least > required.size || (most ?? Number.POSITIVE_INFINITY) < names.length) throw bounded;
    const members = names.map((name) => {
      const known = Object.hasOwn(properties, name);
      const at = known ? `${path}/properties/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` : `${path}/additionalProperties`;
      return {
        text: `${literal(`${JSON.stringify(name)}: `)} ${this.expression(known ? properties[name] : rest, at)}`,
        required: required.has(name),
      };
    });
    return `("{" ${this.#members(members)} "}")`;
  }

  /** Members in order with ", " between them, those that are not required left out or not. */
  #members(members: readonly { text: string; required: boolean }[]): string {
    if (members.every((member) => member.required)) return members.map((member) => member.text).join(' ", " ');
    // From the last to the first: what may follow once a member was written, and while none was.
    let after = '""';
    let first: string[] = [];
    let empty = true;
    for (const { text, required } of members.toReversed()) {
      const begun = this.#rule(`${text} ${after}`);
      first = required ? [begun] : [begun, ...first];
      empty = empty && !required;
      const follow = `", " ${begun}`;
      after = required ? `(${follow})` : this.#rule(`${follow} | ${after}`);
    }
    return alternatives(empty ? [...first, '""'] : first);
  }
}

function numeric(type: "integer" | "number", schema: Schema, path: string): string {
  const value = (key: string): number | undefined => {
    const given = schema[key];
    if (given === undefined || (typeof given === "number" && Number.isFinite(given))) return given;
    throw new UnsupportedSchemaError(`${path}/${key}`, `wanted a number, got ${JSON.stringify(given)}`, "correct it");
  };
  const step = value("multipleOf");
  if (step !== undefined && !(step === 1 && type === "integer")) {
    throw new UnsupportedSchemaError(`${path}/multipleOf`, "answers cannot be held to it", "leave it out, and check the answer yourself");
  }
  const [min, above, max, below] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"].map(value);
  if ([min, above, max, below].every((bound) => bound === undefined)) return type;
  const low = Math.max(min ?? -LARGEST, above ?? -LARGEST, -LARGEST);
  const high = Math.min(max ?? LARGEST, below ?? LARGEST, LARGEST);
  const exclusiveMin = above !== undefined && above === low;
  const exclusiveMax = below !== undefined && below === high;
  if (type === "integer") {
    return integerRange(Math.floor(low) + (exclusiveMin || !Number.isInteger(low) ? 1 : 0), Math.ceil(high) - (exclusiveMax || !Number.isInteger(high) ? 1 : 0)) ?? none(path); // biome-ignore format: one expression
  }
  if (!Number.isInteger(low) || !Number.isInteger(high)) {
    throw new UnsupportedSchemaError(path, "bounds of a number that are no integers", "widen them to integers");
  }
  return numberRange({ min: low, max: high, exclusiveMin, exclusiveMax }) ?? none(path);
}

function range(schema: Schema, of: "Length" | "Items" | "Properties", path: string): [number, number | undefined] {
  const least = count(schema, `min${of}`, path) ?? 0;
  const most = count(schema, `max${of}`, path);
  return most !== undefined && most < least ? none(path) : [least, most];
}

function types(schema: Schema, path: string): JsonType[] | undefined {
  if (schema.type === undefined) return undefined;
  const given: unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  const known = given.filter((type): type is JsonType => TYPES.includes(type as JsonType));
  if (known.length === given.length && known.length > 0) return known;
  throw new UnsupportedSchemaError(`${path}/type`, `got ${JSON.stringify(schema.type)}`, `use ${TYPES.join(", ")}`);
}

function hasType(value: unknown, type: JsonType): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function withType(branch: unknown, type: unknown): unknown {
  return isObject(branch) && branch.type === undefined && branch.$ref === undefined ? { ...branch, type } : branch;
}

function none(path: string): never {
  throw new UnsupportedSchemaError(path, "no value satisfies it", "correct its bounds");
}

/** JSON on one line, with a space after commas and colons. */
export function compact(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(compact).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${compact(item)}`);
  return `{${members.join(", ")}}`;
}
