import { readFile } from "node:fs/promises";
import { type ChatMessageParam, InvalidArgumentError, type OpenAiApi, type PromptProgress, type Usage } from "../index.ts";
import type { Settings } from "./chat-settings.ts";
import { writeResult } from "./write.ts";

/** A piece of an answer. */
export interface Said {
  readonly kind: "reasoning" | "content";
  readonly text: string;
}

export interface AnswerOptions {
  readonly signal: AbortSignal;
  readonly onPrompt: (progress: PromptProgress) => void;
}

/** A chat: what was said, and how answers are drawn. */
export class Conversation {
  settings: Settings;
  /** Of the last answer. */
  usage: Usage | undefined;
  #messages: ChatMessageParam[] = [];
  readonly #api: Pick<OpenAiApi, "chat">;

  constructor(api: Pick<OpenAiApi, "chat">, settings: Settings, system?: string) {
    this.#api = api;
    this.settings = settings;
    if (system !== undefined) this.system = system;
  }

  get messages(): readonly ChatMessageParam[] {
    return this.#messages;
  }

  get system(): string | undefined {
    const [first] = this.#messages;
    return first?.role === "system" && typeof first.content === "string" ? first.content : undefined;
  }

  /** What is said stays; the next answer reads it anew under this message. */
  set system(content: string | undefined) {
    const said = this.#messages.filter(({ role }) => role !== "system");
    this.#messages = content === undefined ? said : [{ role: "system", content }, ...said];
  }

  clear(): void {
    this.#messages = this.#messages.filter(({ role }) => role === "system");
  }

  /** Says something. What was answered when the signal ended it stays; a question without any answer is taken back. */
  async *say(content: string, options: AnswerOptions): AsyncGenerator<Said, void, undefined> {
    this.#messages.push({ role: "user", content });
    yield* this.#answer(options);
  }

  /** Another answer in place of the last. Throws InvalidArgumentError where nothing was asked. */
  async *again(options: AnswerOptions): AsyncGenerator<Said, void, undefined> {
    if (this.#messages.at(-1)?.role === "assistant") this.#messages.pop();
    if (this.#messages.at(-1)?.role !== "user") throw new InvalidArgumentError("there is no answer to replace: ask something first");
    yield* this.#answer(options);
  }

  /** As JSON: messages and settings. Throws InvalidArgumentError. */
  async save(path: string): Promise<void> {
    await writeResult("/save", path, `${JSON.stringify({ messages: this.#messages, settings: this.settings }, undefined, 2)}\n`);
  }

  /** Throws InvalidArgumentError, and changes nothing, for a file that was not saved by `save`. */
  async load(path: string): Promise<void> {
    const saved = await readFile(path, "utf8")
      .then((text) => JSON.parse(text) as { messages?: unknown; settings?: Settings })
      .catch((cause: Error) => {
        throw new InvalidArgumentError(`/load: ${path} cannot be read (${cause.message}): name a file that /save wrote`, { cause });
      });
    if (!isChat(saved?.messages)) throw new InvalidArgumentError(`/load: ${path} holds no chat: name a file that /save wrote`);
    this.#messages = saved.messages;
    this.settings = { ...saved.settings };
  }

  async *#answer({ signal, onPrompt }: AnswerOptions): AsyncGenerator<Said, void, undefined> {
    const params = { ...this.settings, messages: [...this.#messages], stream: true as const, stream_options: { include_usage: true } };
    let [content, reasoning] = ["", ""];
    this.usage = undefined;
    try {
      for await (const { choices, usage } of await this.#api.chat.completions.create(params, { signal, onPrompt })) {
        this.usage = usage ?? this.usage;
        const delta = choices[0]?.delta ?? {};
        reasoning += delta.reasoning_content ?? "";
        content += delta.content ?? "";
        if (delta.reasoning_content) yield { kind: "reasoning", text: delta.reasoning_content };
        if (delta.content) yield { kind: "content", text: delta.content };
      }
    } finally {
      if (content || this.usage) this.#messages.push({ role: "assistant", content, ...(reasoning && { reasoning_content: reasoning }) });
      else this.#messages.pop();
    }
  }
}

function isChat(messages: unknown): messages is ChatMessageParam[] {
  const roles = ["system", "user", "assistant"];
  return Array.isArray(messages) && messages.every((one) => roles.includes(one?.role) && typeof one.content === "string");
}
