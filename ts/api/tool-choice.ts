import { InvalidArgumentError } from "../errors.ts";
import type { ChatCompletionParams, FunctionTool } from "./types.ts";

/** Which tools an answer may call, and whether it must. */
export interface ToolUse {
  readonly tools: readonly FunctionTool[];
  /** Of these, the ones that this answer may call. */
  readonly allowed: readonly FunctionTool[];
  readonly required: boolean;
  readonly parallel: boolean;
}

/** Reads tools, tool_choice and parallel_tool_calls. Throws InvalidArgumentError. */
export function toolUse({ tools = [], tool_choice: choice, parallel_tool_calls = true }: ChatCompletionParams): ToolUse {
  const functions = tools.map((tool, i): FunctionTool => {
    if (tool?.type === "function" && typeof tool.function?.name === "string" && /^[\w.:-]+$/.test(tool.function.name)) return tool;
    const wanted = "a function with a name of letters, digits, and _ . : -";
    throw new InvalidArgumentError(
      `tools[${i}] must be ${wanted}, got ${JSON.stringify(tool?.type === "function" ? tool.function?.name : tool?.type)}`,
    );
  });
  const twice = functions.find(({ function: { name } }, i) => functions.findIndex((other) => other.function.name === name) !== i);
  if (twice) throw new InvalidArgumentError(`tools: two are named ${JSON.stringify(twice.function.name)}: give each a name of its own`);
  const named = (names: readonly unknown[]) =>
    names.map((name) => {
      const tool = functions.find((other) => other.function.name === name);
      if (!tool) throw new InvalidArgumentError(`tool_choice: ${JSON.stringify(name)} is none of the tools`);
      return tool;
    });
  const use = (allowed: readonly FunctionTool[], required: boolean, parallel = parallel_tool_calls): ToolUse => {
    if (required && allowed.length === 0) throw new InvalidArgumentError("tool_choice asks for a call: give tools");
    return { tools: functions, allowed, required, parallel };
  };
  if (choice === undefined || choice === "auto") return use(functions, false);
  if (choice === "none") return { tools: [], allowed: [], required: false, parallel: false };
  if (choice === "required") return use(functions, true);
  if (choice.type === "function") return use(named([choice.function?.name]), true, false);
  if (choice.type === "allowed_tools") {
    const { mode, tools: list } = choice.allowed_tools;
    return use(named(list.map((tool) => (tool.function as { name?: unknown } | undefined)?.name)), mode === "required");
  }
  throw new InvalidArgumentError(`tool_choice must be none, auto, required or a function, got ${JSON.stringify(choice)}`);
}
