import { createInterface, type Interface } from "node:readline";
import { runCommand } from "./chat-commands.ts";
import type { Conversation, Said } from "./conversation.ts";
import { describeFailure } from "./errors.ts";
import { Progress, type ProgressStream } from "./progress.ts";
import { StatusLine, type StatusStream } from "./status-line.ts";

/** Where a chat is held. */
export interface ChatStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream & StatusStream;
  /** Everything but answers. */
  readonly notes: ProgressStream;
  /** Keys are read one by one, with a history of lines, and Ctrl-C comes as a key. Else lines are answered as they come. */
  readonly interactive: boolean;
}

const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

/** Talks until /exit, the end of the input, or the signal. */
export async function chatLoop(chat: Conversation, streams: ChatStreams, signal: AbortSignal): Promise<void> {
  const { input, output, interactive } = streams;
  const lines = createInterface({
    input,
    output: interactive ? output : undefined,
    terminal: interactive,
    prompt: "> ",
    historySize: 1000,
  });
  const talk = new Talk(chat, streams);
  const stop = () => {
    talk.interrupt();
    lines.close();
  };
  lines.on("SIGINT", () => {
    if (!talk.interrupt()) clearLine(lines, talk);
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (interactive) lines.prompt();
    for await (const line of lines) {
      if (signal.aborted || !(await talk.hear(line.trim()))) return;
      if (interactive) lines.prompt();
    }
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}

/** Ctrl-C where nothing is answered. */
function clearLine(lines: Interface, talk: Talk): void {
  if (lines.line === "") talk.tell("\n/exit or Ctrl-D leaves");
  lines.write(null, { ctrl: true, name: "e" });
  lines.write(null, { ctrl: true, name: "u" });
  lines.prompt();
}

/** Answers lines, one at a time. */
class Talk {
  readonly #chat: Conversation;
  readonly #streams: ChatStreams;
  #answering: AbortController | undefined;

  constructor(chat: Conversation, streams: ChatStreams) {
    this.#chat = chat;
    this.#streams = streams;
  }

  readonly tell = (line: string): void => void this.#streams.notes.write(`${line}\n`);

  /** Ends the answer that is being written; false where there is none. */
  interrupt(): boolean {
    this.#answering?.abort();
    return this.#answering !== undefined;
  }

  /** A question or a command; false when it was the last. What goes wrong is told, and the chat goes on. */
  async hear(line: string): Promise<boolean> {
    try {
      if (line === "") return true;
      if (!line.startsWith("/")) {
        await this.#show((options) => this.#chat.say(line, options));
        return true;
      }
      const next = await runCommand(line, this.#chat, this.tell);
      if (next === "answer again") await this.#show((options) => this.#chat.again(options));
      return next !== "exit";
    } catch (error) {
      this.tell(describeFailure(error, false).message ?? "");
      return true;
    }
  }

  async #show(answer: (options: Parameters<Conversation["say"]>[1]) => AsyncIterable<Said>): Promise<void> {
    const { notes, output, interactive } = this.#streams;
    const controller = new AbortController();
    this.#answering = controller;
    const reading = new Progress(notes, "reading");
    const status = interactive ? new StatusLine(output) : undefined;
    const text = new AnswerText(output, interactive);
    let [pieces, first] = [0, performance.now()];
    try {
      const options = {
        signal: controller.signal,
        onPrompt: ({ readTokens, totalTokens }: { readTokens: number; totalTokens: number }) => {
          first = performance.now();
          if (readTokens === totalTokens) reading.clear();
          else reading.update(readTokens, totalTokens, `${readTokens} of ${totalTokens} tokens`);
        },
      };
      for await (const said of answer(options)) {
        reading.clear();
        text.write(said);
        // The first piece came from the prompt's logits.
        if (pieces++ > 0) status?.update(`${speed(pieces - 1, first)}; Ctrl-C ends the answer`);
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    } finally {
      this.#answering = undefined;
      reading.clear();
      text.end();
      status?.end();
    }
    this.tell(this.#summary(first, pieces, controller.signal.aborted));
  }

  #summary(first: number, pieces: number, ended: boolean): string {
    const { usage } = this.#chat;
    if (!usage || ended) return `[ended; ${speed(pieces - 1, first)}]`;
    const { prompt_tokens: prompt, completion_tokens: generated, prompt_tokens_details: details } = usage;
    return `[${generated} tokens, ${speed(generated - 1, first)}; prompt of ${prompt} tokens, ${details?.cached_tokens ?? 0} known before]`;
  }
}

function speed(tokens: number, since: number): string {
  const seconds = (performance.now() - since) / 1000;
  return tokens > 0 && seconds > 0 ? `${(tokens / seconds).toFixed(1)} t/s` : "no time to measure";
}

/** An answer on its way to the screen, its reasoning dimmed where that is possible. */
class AnswerText {
  readonly #output: NodeJS.WritableStream;
  readonly #colours: boolean;
  #kind: Said["kind"] = "content";
  #last = "\n";

  constructor(output: NodeJS.WritableStream, colours: boolean) {
    this.#output = output;
    this.#colours = colours;
  }

  write({ kind, text }: Said): void {
    if (kind !== this.#kind) this.#turnTo(kind);
    this.#output.write(text);
    this.#last = text.at(-1)!;
  }

  end(): void {
    this.#turnTo("content");
    if (this.#last !== "\n") this.#output.write("\n");
  }

  #turnTo(kind: Said["kind"]): void {
    if (kind === this.#kind) return;
    this.#kind = kind;
    if (this.#colours) this.#output.write(kind === "reasoning" ? DIM : PLAIN);
    if (kind === "content" && this.#last !== "\n") this.#output.write("\n");
    this.#last = "\n";
  }
}
