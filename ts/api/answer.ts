import { StopMatcher } from "../engine/stop.ts";
import type { StreamDecoder } from "../text/stream-decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { GeneratedToken } from "./generator.ts";
import { ReasoningSplitter } from "./reasoning.ts";
import { newId } from "./requests.ts";
import type { ToolCallParser } from "./tools/call-parser.ts";
import type { ToolEvent } from "./tools/call-reader.ts";
import type { AssistantMessage, ChatDelta, FinishReason, FunctionToolCall, ToolCallDelta } from "./types.ts";

export interface AnswerOptions {
  readonly opensThinking: boolean;
  readonly stop: readonly string[];
  /** Finds tool calls, where tools were given. */
  readonly calls: ToolCallParser | undefined;
  /** Whether more than one call may be made; otherwise the answer ends with its first. */
  readonly parallel: boolean;
}

/** Makes the deltas of one answer from its tokens: text, then reasoning and the rest, then stop strings, then tool calls. */
export class Answer {
  /** Tokens up to the end of the reasoning. */
  reasoningTokens = 0;
  readonly #decoder: StreamDecoder;
  readonly #reasoning: ReasoningSplitter;
  readonly #stops: StopMatcher;
  readonly #calls: ToolCallParser | undefined;
  readonly #parallel: boolean;
  #callCount = 0;
  #wholeCalls = 0;

  constructor(tokenizer: Tokenizer, { opensThinking, stop, calls, parallel }: AnswerOptions) {
    this.#decoder = tokenizer.decoder();
    this.#reasoning = new ReasoningSplitter(opensThinking);
    this.#stops = new StopMatcher(stop);
    this.#calls = calls;
    this.#parallel = parallel;
  }

  /** Whether a stop string or its only call has ended the answer: no more tokens are wanted. */
  get stopped(): boolean {
    return this.#stops.stopped || (!this.#parallel && this.#wholeCalls > 0);
  }

  /** What a token adds. */
  push({ token, endOfGeneration }: GeneratedToken): ChatDelta {
    if (endOfGeneration) return {};
    const { reasoning, content } = this.#reasoning.push(this.#decoder.push(token));
    if (this.#reasoning.thinking) this.reasoningTokens++;
    return this.#delta(reasoning, this.#events(this.#stops.push(content)));
  }

  /** What was held back. */
  end(): ChatDelta {
    const open = this.#reasoning.push(this.#decoder.end());
    const rest = this.#reasoning.end();
    const events = this.#events(this.#stops.push(open.content + rest.content) + this.#stops.end());
    return this.#delta(open.reasoning + rest.reasoning, [...events, ...(this.#calls?.end() ?? [])]);
  }

  /** Why the answer is over, given how its generation ended. */
  finishReason(ended: "stop" | "length"): FinishReason {
    return ended === "stop" && this.#wholeCalls > 0 ? "tool_calls" : ended;
  }

  #events(text: string): ToolEvent[] {
    if (text === "") return [];
    return this.#calls ? this.#calls.push(text) : [{ type: "content", text }];
  }

  #delta(reasoning: string, events: readonly ToolEvent[]): ChatDelta {
    const delta: ChatDelta = {};
    if (reasoning !== "") delta.reasoning_content = reasoning;
    for (const event of events) {
      if (event.type === "content") delta.content = (delta.content ?? "") + event.text;
      else if (event.type === "end") this.#wholeCalls++;
      else this.#addCall(delta, event);
    }
    return delta;
  }

  #addCall(delta: ChatDelta, event: Extract<ToolEvent, { type: "call" | "arguments" }>): void {
    delta.tool_calls ??= [];
    if (event.type === "call") {
      const call: ToolCallDelta = { index: this.#callCount++, id: newId("call_"), type: "function" };
      delta.tool_calls.push({ ...call, function: { name: event.name, arguments: "" } });
      return;
    }
    const index = this.#callCount - 1;
    const open = delta.tool_calls.at(-1);
    if (open?.index === index) open.function!.arguments += event.text;
    else delta.tool_calls.push({ index, function: { arguments: event.text } });
  }
}

/** Puts deltas together to a message. */
export class MessageBuilder {
  #content = "";
  #reasoning: string | undefined;
  readonly #calls: FunctionToolCall[] = [];

  add({ content, reasoning_content, tool_calls }: ChatDelta): void {
    this.#content += content ?? "";
    if (reasoning_content !== undefined) this.#reasoning = (this.#reasoning ?? "") + reasoning_content;
    for (const { index, id, function: part } of tool_calls ?? []) {
      this.#calls[index] ??= { id: id!, type: "function", function: { name: part?.name ?? "", arguments: "" } };
      this.#calls[index].function.arguments += part?.arguments ?? "";
    }
  }

  message(): AssistantMessage {
    return {
      role: "assistant",
      content: this.#content === "" && this.#calls.length > 0 ? null : this.#content,
      refusal: null,
      ...(this.#reasoning === undefined ? {} : { reasoning_content: this.#reasoning }),
      ...(this.#calls.length > 0 ? { tool_calls: this.#calls } : {}),
    };
  }
}
