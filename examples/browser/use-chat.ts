import { useRef, useState } from "preact/hooks";
import type { ChatCompletionParamsStreaming, ChatMessageParam, Model, PromptProgress, Remote, Usage } from "tandem-llm";
import type { Sampling } from "./settings.ts";
import type { SpeedLog } from "./speed-log.ts";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly reasoning?: string;
  /** Of an answer that has ended by itself. */
  readonly timing?: Timing;
  readonly stopped?: boolean;
  readonly error?: unknown;
}

export interface Timing {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  /** Tokens a second; null where there was too little to time. */
  readonly pp: number | null;
  readonly tg: number | null;
  readonly ended: "stop" | "length";
}

/** The answer is drawn again so often while it is written: a person reads no faster, and drawing takes time from the page. */
const DRAW_MS = 80;

/** A conversation with a model. `onFailure` hears of errors, which stand in the conversation as well. */
export function useChat(log: SpeedLog, onFailure: (error: unknown) => void) {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [reading, setReading] = useState<PromptProgress>();
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController>(undefined);

  async function answer(model: Remote<Model>, sampling: Sampling, asked: readonly Turn[]): Promise<void> {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    const show = (turn: Turn) => {
      if (running.current === abort) setTurns([...asked, turn]);
    };
    try {
      const hear = (progress: PromptProgress | undefined) => setReading(progress);
      await streamAnswer(model, requestOf(asked, sampling), { signal: abort.signal, log, show, hear });
    } catch (error) {
      if (running.current === abort) setTurns((now) => [...asked, { role: "assistant", text: "", ...now[asked.length], error }]);
      onFailure(error);
    } finally {
      if (running.current === abort) {
        setReading(undefined);
        setBusy(false);
      }
    }
  }

  return {
    turns,
    reading,
    busy,
    stop: () => running.current?.abort(),
    clear: () => {
      running.current?.abort();
      running.current = undefined;
      setTurns([]);
      setReading(undefined);
      setBusy(false);
    },
    /** Asks in place of turn `at` and all that follow; by default after the last. */
    send: (model: Remote<Model>, sampling: Sampling, text: string, at = turns.length) =>
      answer(model, sampling, [...turns.slice(0, at), { role: "user", text }]),
    /** Answers again what stands before turn `at`. */
    regenerate: (model: Remote<Model>, sampling: Sampling, at: number) => answer(model, sampling, turns.slice(0, at)),
  };
}

function requestOf(turns: readonly Turn[], { system, maxTokens, ...sampling }: Sampling): ChatCompletionParamsStreaming {
  const said = turns.map(({ role, text, reasoning }): ChatMessageParam => {
    return role === "user" ? { role, content: text } : { role, content: text, reasoning_content: reasoning };
  });
  const messages: ChatMessageParam[] = system ? [{ role: "system", content: system }, ...said] : said;
  return { messages, ...sampling, max_completion_tokens: maxTokens, stream: true, stream_options: { include_usage: true } };
}

interface Stream {
  readonly signal: AbortSignal;
  readonly log: SpeedLog;
  readonly show: (turn: Turn) => void;
  readonly hear: (progress: PromptProgress | undefined) => void;
}

async function streamAnswer(model: Remote<Model>, request: ChatCompletionParamsStreaming, stream: Stream): Promise<void> {
  const { signal, log, show, hear } = stream;
  const clock = { start: performance.now(), first: 0, last: 0, drawn: 0 };
  let turn: Turn = { role: "assistant", text: "" };
  let ended: Timing["ended"] = "length";
  let usage: Usage | null | undefined;
  let read = 0;
  const onPrompt = (progress: PromptProgress) => {
    const fresh = progress.readTokens - progress.cachedTokens;
    log.read(fresh - read);
    read = fresh;
    hear(progress);
  };
  log.begin();
  show(turn);
  try {
    for await (const chunk of await model.chat.completions.create(request, { signal, onPrompt })) {
      usage = chunk.usage ?? usage;
      const choice = chunk.choices[0];
      if (choice?.finish_reason === "stop") ended = "stop";
      const { content, reasoning_content: reasoning } = choice?.delta ?? {};
      if (!content && !reasoning) continue;
      clock.last = performance.now();
      if (clock.first === 0) hear(undefined);
      clock.first ||= clock.last;
      log.generated(1, clock.last);
      turn = { ...turn, text: turn.text + (content ?? ""), reasoning: reasoning ? (turn.reasoning ?? "") + reasoning : turn.reasoning };
      if (clock.last - clock.drawn < DRAW_MS) continue;
      clock.drawn = clock.last;
      show(turn);
    }
    show({ ...turn, timing: usage ? timingOf(usage, clock, ended) : undefined });
  } catch (error) {
    show({ ...turn, stopped: signal.aborted });
    if (!signal.aborted) throw error;
  }
}

function timingOf(usage: Usage, { start, first, last }: { start: number; first: number; last: number }, ended: Timing["ended"]): Timing {
  const [promptTokens, generatedTokens] = [usage.prompt_tokens, usage.completion_tokens];
  const cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const pp = first > start ? (1000 * (promptTokens - cachedTokens)) / (first - start) : null;
  const tg = last > first ? (1000 * (generatedTokens - 1)) / (last - first) : null;
  return { promptTokens, cachedTokens, generatedTokens, pp, tg, ended };
}
