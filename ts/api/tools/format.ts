/**
 * How a model writes tool calls: `json` is Hermes', of Qwen3 and Qwen3-Next, an object between `<tool_call>` markers; `xml` is that of
 * Qwen3-Coder and Qwen3.5, a tag for the function and for each parameter.
 */
export type ToolFormat = "json" | "xml";

/** The format that a chat template teaches. One without tools gets the `json` format, which `plainToolMessages` explains to the model. */
export function toolFormat(template: string): ToolFormat {
  return template.includes("<function=") ? "xml" : "json";
}

/** Whether the template has a place for tools. */
export function templateTakesTools(template: string): boolean {
  return /\btools\b/.test(template);
}
