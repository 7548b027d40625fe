import { UnsupportedSchemaError } from "../../errors.ts";
import { SchemaGrammar } from "../schema/schema-grammar.ts";
import { alternatives, FORMATS, literal, repeated } from "../schema/terminals.ts";
import type { FunctionTool } from "../types.ts";
import { CALL_CLOSE, CALL_OPEN } from "./call-reader.ts";
import type { ToolFormat } from "./format.ts";
import { isObject, isTextParameter } from "./parameters.ts";

const ANY_PARAMETERS = `("<parameter=" [^<>\\n]{1,64} ">\\n" text0 "\\n${"</parameter>"}\\n")*`;

/**
 * EBNF of one call of one of the tools in the model's format, from behind its opening marker.
 * @param held Whether a tool's arguments are held to its schema; others may be anything.
 */
export function callGrammar(
  format: ToolFormat,
  tools: readonly FunctionTool[],
  rules: Map<string, string>,
  held: (tool: FunctionTool) => boolean,
): string {
  const calls = tools.map((tool) => {
    const { name, parameters = { type: "object", properties: {}, additionalProperties: false } } = tool.function;
    if (format === "json") {
      const value = held(tool) ? new SchemaGrammar(parameters, rules).expression(parameters) : "object";
      return `${literal(`\n{"name": ${JSON.stringify(name)}, "arguments": `)} ${value} ${literal(`}\n${CALL_CLOSE}`)}`;
    }
    const values = held(tool) ? xmlParameters(parameters, rules) : ANY_PARAMETERS;
    return `${literal(`\n<function=${name}>\n`)} ${values} ${literal(`</function>\n${CALL_CLOSE}`)}`;
  });
  return alternatives(calls);
}

/** EBNF of calls and nothing else: one, or as many as the model likes. */
export function callsGrammar(call: string, parallel: boolean): string {
  const opened = `${literal(CALL_OPEN)} ${call}`;
  return parallel ? `(${opened} ("\\n" ${opened})*)` : `(${opened})`;
}

/** The parameters in the schema's order, those that are not required written or not. */
function xmlParameters(parameters: Record<string, unknown>, rules: Map<string, string>): string {
  const grammar = new SchemaGrammar(parameters, rules);
  grammar.expression(parameters); // refuses what cannot be held
  const properties = isObject(parameters.properties) ? parameters.properties : {};
  const required = Array.isArray(parameters.required) ? parameters.required : [];
  const unknown = required.find((name) => !Object.hasOwn(properties, String(name)));
  if (unknown !== undefined || parameters.type !== "object") {
    throw new UnsupportedSchemaError(
      "",
      "parameters must be an object's, with each required one described",
      "describe them under properties",
    );
  }
  const written = Object.entries(properties).map(([name, schema]) => {
    const value = isTextParameter(schema) ? xmlText(schema, name) : grammar.expression(schema, `/properties/${name}`);
    const parameter = `${literal(`<parameter=${name}>\n`)} ${value} ${literal("\n</parameter>\n")}`;
    return required.includes(name) ? parameter : `(${parameter})?`;
  });
  return written.length === 0 ? '""' : written.join(" ");
}

/** A string parameter's value, which stands there as it is. */
function xmlText(schema: unknown, name: string): string {
  if (!isObject(schema)) return "text0";
  const values = "const" in schema ? [schema.const] : schema.enum;
  if (Array.isArray(values)) {
    const texts = values.filter((value): value is string => typeof value === "string");
    if (texts.some((text) => text.includes("</parameter>") || /^\n|\n$/.test(text))) {
      throw new UnsupportedSchemaError(`/properties/${name}`, "a value that the call's own markers would cut", "leave it out");
    }
    return alternatives(texts.map(literal));
  }
  if (schema.pattern !== undefined) {
    throw new UnsupportedSchemaError(
      `/properties/${name}/pattern`,
      "text between a call's markers is not held to patterns",
      "leave it out",
    );
  }
  if (typeof schema.format === "string" && FORMATS[schema.format] !== undefined) return `(${FORMATS[schema.format]})`;
  const [least, most] = [schema.minLength ?? 0, schema.maxLength];
  if (least === 0 && most === undefined) return "text0";
  // No line break at its ends can be taken for the format's.
  return repeated("[^<\\x00-\\x1f]", Number(least), most === undefined ? undefined : Number(most));
}
