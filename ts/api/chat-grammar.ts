import { InvalidArgumentError } from "../errors.ts";
import type { ConstraintOptions } from "./grammar/constraint.ts";
import { SchemaGrammar } from "./schema/schema-grammar.ts";
import { writeGrammar } from "./schema/terminals.ts";
import type { ToolUse } from "./tool-choice.ts";
import { callGrammar, callsGrammar } from "./tools/call-grammar.ts";
import { CALL_OPEN } from "./tools/call-reader.ts";
import type { ToolFormat } from "./tools/format.ts";
import type { ChatCompletionParams } from "./types.ts";

/** A grammar for an answer, and the parts of it that follow it. */
export interface AnswerGrammar extends ConstraintOptions {
  readonly grammar: string;
}

/**
 * What a request holds its answer to: its own grammar, a response_format, calls where tool_choice asks for one; and where it leaves the choice,
 * the arguments of tools that are `strict`. Reasoning is always free. Throws InvalidArgumentError, UnsupportedSchemaError.
 */
export function answerGrammar(
  params: ChatCompletionParams,
  use: ToolUse,
  format: ToolFormat,
  opensThinking: boolean,
): AnswerGrammar | undefined {
  const after = opensThinking ? ["</think>"] : [];
  const rules = new Map<string, string>();
  if (params.grammar !== undefined) {
    if (params.response_format && params.response_format.type !== "text")
      throw new InvalidArgumentError("grammar: given beside response_format: leave one out");
    if (use.required) throw new InvalidArgumentError("grammar: given beside a tool_choice that asks for a call: leave one out");
    return { grammar: params.grammar, after };
  }
  if (use.required) {
    const call = callGrammar(format, use.allowed, rules, () => true);
    return { grammar: writeGrammar(callsGrammar(call, use.parallel), rules), after };
  }
  const strict = use.allowed.some((tool) => tool.function.strict);
  const call = () => callGrammar(format, use.allowed, rules, (tool) => tool.function.strict === true);
  const answer = formatGrammar(params.response_format, rules);
  if (answer !== undefined) {
    const root = use.allowed.length > 0 ? `${answer} | ${callsGrammar(call(), use.parallel)}` : answer;
    return { grammar: writeGrammar(root, rules), after };
  }
  return strict ? { grammar: writeGrammar(call(), rules), after: [...after, CALL_OPEN], again: true } : undefined;
}

function formatGrammar(format: ChatCompletionParams["response_format"], rules: Map<string, string>): string | undefined {
  switch (format?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return "object";
    case "json_schema": {
      const schema = format.json_schema?.schema ?? true;
      return new SchemaGrammar(schema, rules).expression(schema);
    }
    default:
      throw new InvalidArgumentError(`response_format must be text, json_object or json_schema, got ${JSON.stringify(format)}`);
  }
}
