import { type LoadOptions as EngineLoadOptions, Model as EngineModel, type LoadedParts, loadParts } from "../engine/model.ts";
import type { SourceInput } from "../io/open-source.ts";
import { GenerationQueue, type QueueOptions } from "../serving/queue.ts";
import type { DecodeOptions } from "../text/stream-decoder.ts";
import type { EncodeOptions } from "../text/tokenizer.ts";
import { type ApiModel, ChatCompletions } from "./chat.ts";
import { Completions } from "./completions.ts";
import { Embeddings } from "./embeddings.ts";
import { Grammars } from "./grammar/grammars.ts";
import { templateMessages } from "./messages.ts";
import { renderChat } from "./prompt.ts";
import { toolUse } from "./tool-choice.ts";
import type { ChatCompletionParams } from "./types.ts";

/** How a model is loaded: devices, downloads, progress, and the queue of its chats. */
export interface LoadOptions extends EngineLoadOptions {
  /** The queue of `chat` and `completions`, made when they are first used: how many at once, their context, what is kept of prompts. */
  readonly queue?: QueueOptions;
}

/** A conversation to be made a prompt of. */
export interface ChatPromptParams extends Pick<ChatCompletionParams, "messages" | "tools" | "tool_choice" | "chat_template_kwargs"> {
  /** End with the head of an assistant message, for the model to go on. Default true. */
  readonly add_generation_prompt?: boolean;
}

/** A loaded model: weights in memory, ready for chats, completions, embeddings, and contexts of one's own. Made by `loadModel`. */
export class Model extends EngineModel {
  readonly chat: { readonly completions: ChatCompletions };
  readonly completions: Completions;
  readonly embeddings: Embeddings;
  readonly #queueOptions: QueueOptions;
  readonly #grammars: Grammars;
  #queue: Promise<GenerationQueue> | undefined;

  /** @internal Use loadModel. */
  constructor(loaded: LoadedParts, queueOptions: QueueOptions = {}) {
    super(loaded);
    this.#queueOptions = queueOptions;
    this.#grammars = new Grammars(this.tokenizer);
    const api: ApiModel = {
      ...{ name: this.name, metadata: this.metadata, tokenizer: this.tokenizer, chatTemplate: this.chatTemplate },
      ...{ grammars: this.#grammars, generator: () => this.queue() },
    };
    this.chat = { completions: new ChatCompletions(api) };
    this.completions = new Completions(api);
    this.embeddings = new Embeddings(this);
  }

  /** The tokens of a text; control tokens such as `<|im_end|>` written in it are read as tokens. */
  tokenize(text: string, options?: EncodeOptions): number[] {
    return this.tokenizer.encode(text, options);
  }

  /** The text of tokens; control tokens are left out unless `special`. */
  detokenize(tokens: ArrayLike<number>, options?: DecodeOptions): string {
    return this.tokenizer.decode(tokens, options);
  }

  /** The prompt that `chat.completions` makes of a conversation, as text. Throws InvalidArgumentError where the template refuses it. */
  applyChatTemplate(params: ChatPromptParams): string {
    const { messages, chat_template_kwargs: kwargs, add_generation_prompt: addGenerationPrompt } = params;
    return renderChat(this.chatTemplate, templateMessages(messages), toolUse(params).tools, { addGenerationPrompt, kwargs });
  }

  /** The queue that `chat` and `completions` share: statistics and sessions. Takes its memory when it is first asked for. */
  queue(): Promise<GenerationQueue> {
    this.#queue ??= GenerationQueue.create(this, this.#queueOptions);
    this.#queue.catch(() => {
      this.#queue = undefined; // memory may be there the next time
    });
    return this.#queue;
  }

  override dispose(): void {
    this.#queue?.then((queue) => queue.dispose()).catch(() => undefined);
    this.#grammars.dispose();
    super.dispose();
  }
}

/**
 * Loads a GGUF model of the Qwen3-Next family: a path, a File or Blob, or all shards as an array of Blobs.
 *
 * Throws GgufError (damaged file), UnsupportedModelError, UnsupportedFormatError, InvalidArgumentError (no such file), CapabilityError
 * (no SIMD, no GPU), OutOfMemoryError, or the signal's reason. Nothing stays allocated then.
 */
export async function loadModel(input: SourceInput | readonly SourceInput[], options: LoadOptions = {}): Promise<Model> {
  return new Model(await loadParts(input, options), options.queue);
}
