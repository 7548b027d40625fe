import { InvalidArgumentError } from "../errors.ts";
import type { ChatMessage, ChatTemplate, ChatTemplateInput } from "../text/chat-template.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { plainToolMessages } from "./messages.ts";
import { templateTakesTools } from "./tools/format.ts";
import type { FunctionTool } from "./types.ts";

export interface ChatPrompt {
  readonly tokens: readonly number[];
  /** Lengths in tokens, rising, up to which the prompt is that of its first messages. */
  readonly borders: readonly number[];
  /** Whether the prompt ends within `<think>`: the answer begins with reasoning. */
  readonly opensThinking: boolean;
}

/** Borders of a prompt at most: each costs a rendering. The first message's is kept, and those of the last ones. */
const MAX_BORDERS = 32;

export function chatPrompt(
  model: { readonly tokenizer: Tokenizer; readonly chatTemplate: ChatTemplate },
  messages: readonly ChatMessage[],
  tools: readonly FunctionTool[],
  kwargs: Record<string, unknown> | undefined,
): ChatPrompt {
  const { chatTemplate, tokenizer } = model;
  const now = new Date();
  const render = (count: number, addGenerationPrompt: boolean) =>
    renderChat(chatTemplate, messages.slice(0, count), tools, { addGenerationPrompt, kwargs, now }).normalize("NFC");
  const text = render(messages.length, true);
  const tokens = tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
  const lengths: number[] = [];
  for (let count = 1; count <= messages.length; count++) {
    if (count > 1 && count <= messages.length - MAX_BORDERS + 1) continue;
    const length = commonLength(text, rendered(render, count));
    if (length > (lengths.at(-1) ?? 0)) lengths.push(length);
  }
  return { tokens, borders: tokenBorders(tokenizer, tokens, text, lengths), opensThinking: /<think>\s*$/.test(text) };
}

/** The prompt's text; a template without a place for tools gets them explained in a message. */
export function renderChat(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  tools: readonly FunctionTool[],
  options: Pick<ChatTemplateInput, "addGenerationPrompt" | "kwargs" | "now">,
): string {
  if (templateTakesTools(template.source)) return template.render({ ...options, messages, tools });
  return template.render({ ...options, messages: plainToolMessages(messages, tools) });
}

/** The first messages alone; "" where the template refuses them, as some do without a user's message. */
function rendered(render: (count: number, addGenerationPrompt: boolean) => string, count: number): string {
  try {
    return render(count, false);
  } catch (error) {
    if (error instanceof InvalidArgumentError) return "";
    throw error;
  }
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

/** How many of the tokens lie whole within the first `lengths` characters of the text, for each of them. */
function tokenBorders(tokenizer: Tokenizer, tokens: readonly number[], text: string, lengths: readonly number[]): number[] {
  const encoder = new TextEncoder();
  const borders: number[] = [];
  let [count, bytes, wanted, from] = [0, 0, 0, 0];
  for (const length of lengths) {
    wanted += encoder.encode(text.slice(from, length)).length;
    from = length;
    while (count < tokens.length) {
      const next = bytes + tokenizer.tokenBytes(tokens[count]!).length;
      if (next > wanted) break;
      bytes = next;
      count++;
    }
    if (count > (borders.at(-1) ?? 0)) borders.push(count);
  }
  return borders;
}
