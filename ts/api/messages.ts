import { InvalidArgumentError } from "../errors.ts";
import type { ChatMessage, ChatToolCall } from "../text/chat-template.ts";
import { CALL_CLOSE, CALL_OPEN } from "./tools/call-reader.ts";
import type { ChatMessageParam, FunctionTool, ToolCall } from "./types.ts";

/** Messages as chat templates read them: contents as one text, `developer` as `system`. Throws InvalidArgumentError naming the message. */
export function templateMessages(messages: readonly ChatMessageParam[]): ChatMessage[] {
  if (!(messages?.length > 0)) throw new InvalidArgumentError("messages: give at least one message");
  return messages.map((message, i) => {
    const at = `messages[${i}]`;
    switch (message?.role) {
      case "developer":
      case "system":
        return { role: "system", content: contentText(message.content, at) };
      case "user":
        return { role: "user", content: contentText(message.content, at) };
      case "tool":
        return { role: "tool", content: contentText(message.content, at), tool_call_id: message.tool_call_id };
      case "assistant": {
        const calls = (message.tool_calls ?? []).map((call, c) => functionCall(call, `${at}.tool_calls[${c}]`));
        return {
          ...{ role: "assistant", content: contentText(message.content ?? message.refusal ?? "", at) },
          ...(message.reasoning_content ? { reasoning_content: message.reasoning_content } : {}),
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        };
      }
      default: {
        const roles = "developer, system, user, assistant or tool";
        throw new InvalidArgumentError(`${at}.role must be ${roles}, got ${JSON.stringify((message as { role?: unknown })?.role)}`);
      }
    }
  });
}

function contentText(content: unknown, at: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content))
    throw new InvalidArgumentError(`${at}.content must be a text or a list of parts, got ${JSON.stringify(content)}`);
  const texts = content.map((part: { type?: unknown; text?: unknown; refusal?: unknown }, p) => {
    const text = part?.type === "text" ? part.text : part?.type === "refusal" ? part.refusal : undefined;
    if (typeof text === "string") return text;
    throw new InvalidArgumentError(`${at}.content[${p}] must be text, got ${JSON.stringify(part?.type)}: this model reads text alone`);
  });
  return texts.join("");
}

function functionCall(call: ToolCall, at: string): ChatToolCall {
  if (call?.type === "function" && typeof call.function?.name === "string") return { ...call, function: { ...call.function } };
  throw new InvalidArgumentError(`${at} must be a function's call, got ${JSON.stringify(call?.type)}`);
}

/** Messages for a template that has no place for tools: the system message explains them, calls and results are written as text. */
export function plainToolMessages(messages: readonly ChatMessage[], tools: readonly FunctionTool[]): ChatMessage[] {
  const plain = messages.map((message): ChatMessage => {
    if (message.role === "tool") return { role: "user", content: `<tool_response>\n${message.content}\n</tool_response>` };
    if (!message.tool_calls) return message;
    const calls = message.tool_calls.map(({ function: { name, arguments: given } }) => {
      const written = typeof given === "string" ? given : JSON.stringify(given);
      return `${CALL_OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": ${written}}\n${CALL_CLOSE}`;
    });
    const { tool_calls: _, ...rest } = message;
    return { ...rest, content: [...(message.content ? [message.content] : []), ...calls].join("\n") };
  });
  if (tools.length === 0) return plain;
  const [first] = plain;
  const system = first?.role === "system" ? `${first.content}\n\n${explain(tools)}` : explain(tools);
  return [{ role: "system", content: system }, ...(first?.role === "system" ? plain.slice(1) : plain)];
}

function explain(tools: readonly FunctionTool[]): string {
  const form = `${CALL_OPEN}\n{"name": "the function's name", "arguments": {"parameter": "value"}}\n${CALL_CLOSE}`;
  const listed = tools.map((tool) => JSON.stringify(tool.function)).join("\n");
  return `# Tools\n\nYou can call these functions, described with JSON schemas:\n${listed}\n\nTo call one, answer with:\n${form}`;
}
