import type { ApiModel } from "../../ts/api/chat.ts";
import type { GeneratedToken, GenerationRequest, Generator } from "../../ts/api/generator.ts";
import { Grammars } from "../../ts/api/grammar/grammars.ts";
import { Metadata } from "../../ts/io/metadata.ts";
import { ChatTemplate } from "../../ts/text/chat-template.ts";
import { Tokenizer } from "../../ts/text/tokenizer.ts";
import { byteVocabulary } from "../text/helpers.ts";

const turn = "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor %}";
const tools = "{%- if tools %}{{ tools | tojson }}{%- endif %}";
const head = "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}";

/** Templates in the manner of the family's: what they say about tools and thinking is what the API looks for. */
export const TEMPLATES = {
  plain: `${turn}${head}{%- endif %}`,
  /** As Qwen3-Next's. */
  json: `${tools}${turn}${head}{%- endif %}{#- <tool_call>{"name": …}</tool_call> #}`,
  /** As Qwen3-Coder's. */
  xml: `${tools}{{ '' if true else '<function=f>' }}${turn}${head}{%- endif %}`,
  /** As Qwen3.5's: it opens the block of reasoning itself. */
  thinking: `${tools}{{ '' if true else '<function=f>' }}${turn}${head}{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{%- else %}{{ '<think>\\n' }}{%- endif %}{%- endif %}`,
};

/** A model that answers with given texts, a byte a token, and keeps the requests it got. */
export class ScriptedModel implements ApiModel, Generator {
  readonly name = "scripted";
  readonly contextLength = 4096;
  readonly metadata = new Metadata("scripted", new Map());
  readonly tokenizer = new Tokenizer(byteVocabulary());
  readonly grammars = new Grammars(this.tokenizer);
  readonly chatTemplate: ChatTemplate;
  readonly requests: GenerationRequest[] = [];
  readonly #answers: readonly string[];
  /** Generations that were begun and are not over. */
  open = 0;

  constructor(template: keyof typeof TEMPLATES, ...answers: readonly string[]) {
    this.chatTemplate = new ChatTemplate(TEMPLATES[template]);
    this.#answers = answers;
  }

  generator(): Promise<Generator> {
    return Promise.resolve(this);
  }

  /** The prompt of the last request. */
  get prompt(): string {
    return this.tokenizer.decode(this.requests.at(-1)!.tokens, { special: true });
  }

  async *generate(request: GenerationRequest): AsyncGenerator<GeneratedToken, void, undefined> {
    const answer = this.#answers[this.requests.push(request) - 1] ?? this.#answers.at(-1)!;
    request.onPrompt?.({ readTokens: request.tokens.length, totalTokens: request.tokens.length, cachedTokens: 7 });
    const tokens = [...this.tokenizer.encode(answer), this.tokenizer.eos!];
    this.open++;
    try {
      for (const [i, token] of tokens.entries()) {
        request.signal?.throwIfAborted();
        await Promise.resolve();
        const endOfGeneration = i === tokens.length - 1;
        const cut = i + 1 === request.maxTokens;
        const finishReason = endOfGeneration ? "stop" : cut ? "length" : undefined;
        const logprobs = request.logprobs
          ? { logprob: -0.5, top: [{ token, probability: Math.exp(-0.5) }].slice(0, request.topLogprobs) }
          : {};
        yield { token, endOfGeneration, finishReason, ...logprobs };
        if (finishReason) return;
      }
    } finally {
      this.open--;
    }
  }
}
