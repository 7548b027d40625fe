import type { FunctionTool } from "../types.ts";

/** JSON schemas of a tool's parameters by name. */
export type ParameterSchemas = Readonly<Record<string, unknown>>;

export function parameterSchemas(tool: FunctionTool | undefined): ParameterSchemas {
  const properties = tool?.function.parameters?.properties;
  return isObject(properties) ? properties : {};
}

/** Whether a parameter's value is written as it is, not as JSON: one that can only be a string, or of which nothing is known. */
export function isTextParameter(schema: unknown): boolean {
  if (schema === undefined || schema === true) return true;
  if (!isObject(schema)) return false;
  const { type } = schema;
  if (Array.isArray(type)) return type.length === 1 && type[0] === "string";
  if (type !== undefined) return type === "string";
  if (Array.isArray(schema.enum)) return schema.enum.every((value) => typeof value === "string");
  if ("const" in schema) return typeof schema.const === "string";
  return Object.keys(schema).every((key) => key === "title" || key === "description");
}

/** A parameter's value as JSON: itself where it is JSON, as Python writes its constants too, else a string. */
export function argumentJson(text: string): string {
  const value = text.trim();
  const constants: Record<string, string> = { True: "true", False: "false", None: "null" };
  const json = constants[value] ?? value;
  try {
    JSON.parse(json);
    return json;
  } catch {
    return JSON.stringify(value);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
