import { InvalidArgumentError, UnsupportedModelError } from "../errors.ts";
import { JinjaError, parseJinja, renderJinja } from "./jinja.ts";
import type { TokenizerMetadata } from "./vocabulary.ts";

/** A call that the model made, in OpenAI's form. */
export interface ChatToolCall {
  id?: string;
  type?: "function";
  /** `arguments` as an object, or as JSON text. */
  function: { name: string; arguments: string | Record<string, unknown> };
}

/** One message of a conversation, in OpenAI's form; further properties reach the template as they are. */
export interface ChatMessage {
  role: string;
  content?: string | null | readonly { type: string; text?: string; [property: string]: unknown }[];
  reasoning_content?: string;
  tool_calls?: readonly ChatToolCall[];
  tool_call_id?: string;
  name?: string;
  [property: string]: unknown;
}

/** What a chat template is given. */
export interface ChatTemplateInput {
  messages: readonly ChatMessage[];
  /** Tools in OpenAI's form: `{ type: "function", function: { name, description, parameters } }`. */
  tools?: readonly object[];
  /** End with the head of an assistant message, for the model to go on. Default true. */
  addGenerationPrompt?: boolean;
  /** The template's enable_thinking; left undefined, the template's own default holds. */
  enableThinking?: boolean;
  /** What strftime_now gives. Default the present. */
  now?: Date;
  /** Further variables of the template, by their names there; they win over all others. */
  kwargs?: Record<string, unknown>;
}

/** ChatML, the format that this family is trained on: used when the file has no template of its own. Tools and thinking have no place in it. */
const CHATML = `{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}{{- message.content }}
{%- elif message.content %}{%- for part in message.content %}{{- part.text if part.text is defined else '' }}{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;

/**
 * Renders conversations as the prompt text that a model was trained on, through the jinja template in its file.
 *
 * A file without `tokenizer.chat_template` gets ChatML (`<|im_start|>role\n…<|im_end|>\n`), without tools: `isFallback` tells.
 * Encode the text with `parseSpecial: true` and `addSpecial: false`: it holds its control tokens already.
 */
export class ChatTemplate {
  /** The template's jinja text. */
  readonly source: string;
  /** Whether the file had no template and ChatML stands in for it. */
  readonly isFallback: boolean;
  readonly #program: ReturnType<typeof parseJinja>;
  readonly #bosToken: string;
  readonly #eosToken: string;

  /** @throws UnsupportedModelError when the text is not jinja that can be read here. */
  constructor(source: string | undefined, tokens: { bosToken?: string; eosToken?: string } = {}) {
    this.isFallback = source === undefined;
    this.source = source ?? CHATML;
    this.#bosToken = tokens.bosToken ?? "";
    this.#eosToken = tokens.eosToken ?? "";
    try {
      this.#program = parseJinja(this.source);
    } catch (error) {
      const todo = "pass a corrected template, or convert the model again";
      throw new UnsupportedModelError(`tokenizer.chat_template is no jinja template that runs here: ${messageOf(error)}: ${todo}`, {
        cause: error,
      });
    }
  }

  /** The template of a GGUF, with the texts of its bos and eos tokens. @throws UnsupportedModelError for a key of the wrong kind. */
  static fromMetadata(metadata: TokenizerMetadata): ChatTemplate {
    const source = metadata.get("tokenizer.chat_template");
    if (source !== undefined && typeof source !== "string") {
      const todo = "convert the model again, or pass a template";
      throw new UnsupportedModelError(`tokenizer.chat_template must be a string, got ${typeof source}: ${todo}`);
    }
    const tokens = metadata.get("tokenizer.ggml.tokens");
    const text = (key: string): string | undefined => {
      const id = metadata.get(`tokenizer.ggml.${key}`);
      const found: unknown = Array.isArray(tokens) && typeof id === "number" ? tokens[id] : undefined;
      return typeof found === "string" ? found : undefined;
    };
    return new ChatTemplate(source, { bosToken: text("bos_token_id"), eosToken: text("eos_token_id") });
  }

  /**
   * The prompt of a conversation. Arguments of tool calls that come as JSON text reach the template as objects, as Qwen's templates want them.
   * @throws InvalidArgumentError when the template refuses the conversation or fails on it; the message names the failing expression.
   */
  render(input: ChatTemplateInput): string {
    const variables: Record<string, unknown> = {
      messages: input.messages.map(withParsedArguments),
      add_generation_prompt: input.addGenerationPrompt ?? true,
      bos_token: this.#bosToken,
      eos_token: this.#eosToken,
    };
    if (input.tools && input.tools.length > 0) variables.tools = input.tools;
    if (input.enableThinking !== undefined) variables.enable_thinking = input.enableThinking;
    Object.assign(variables, input.kwargs);
    try {
      return renderJinja(this.#program, variables, input.now ?? new Date());
    } catch (error) {
      if (!(error instanceof JinjaError)) throw error;
      const at = error.place === undefined ? "" : ` at \`${error.place}\``;
      const message = error.raised
        ? `the chat template refuses this conversation${at}: ${error.message}`
        : `the chat template fails${at}: ${error.message}: check the messages' fields, or pass another template`;
      throw new InvalidArgumentError(message, { cause: error });
    }
  }
}

function withParsedArguments(message: ChatMessage): ChatMessage {
  if (!message.tool_calls?.some((call) => typeof call.function?.arguments === "string")) return message;
  const calls = message.tool_calls.map((call) => {
    if (!call.function) return call;
    return { ...call, function: { ...call.function, arguments: parsedArguments(call.function.arguments) } };
  });
  return { ...message, tool_calls: calls };
}

/** Text that is no JSON object stays as it came: the model may have written it so. */
function parsedArguments(given: string | Record<string, unknown>): string | Record<string, unknown> {
  if (typeof given !== "string") return given;
  try {
    const value: unknown = JSON.parse(given);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : given;
  } catch {
    return given;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
