import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Model, PromptProgress, Remote } from "tandem-llm";
import { Message } from "./message.tsx";
import type { Sampling } from "./settings.ts";
import type { useChat } from "./use-chat.ts";

interface ChatProps {
  readonly chat: ReturnType<typeof useChat>;
  readonly model: Remote<Model> | undefined;
  readonly sampling: Sampling;
}

/** The conversation, and where one writes. */
export function Chat({ chat, model, sampling }: ChatProps) {
  const { turns, busy, reading } = chat;
  const log = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current) log.current!.scrollTop = log.current!.scrollHeight;
  }, [turns]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = log.current!;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  return (
    <section class="panel chat" aria-labelledby="chat-title">
      <div class="row">
        <h2 id="chat-title">Chat</h2>
        <button type="button" disabled={turns.length === 0} onClick={chat.clear}>
          New chat
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="log" ref={log} onScroll={onScroll} role="log" aria-label="Conversation" aria-busy={busy} tabIndex={0}>
        {turns.length === 0 && <p class="faint">{model ? "Ask something." : "Load a model, then ask something."}</p>}
        {turns.map((turn, at) => (
          <Message
            key={at}
            turn={turn}
            writing={busy && at === turns.length - 1}
            onEdit={model && turn.role === "user" ? (text) => chat.send(model, sampling, text, at) : undefined}
            onRegenerate={model && !busy && turn.role === "assistant" ? () => chat.regenerate(model, sampling, at) : undefined}
          />
        ))}
      </section>
      {reading && <ReadingBar reading={reading} />}
      <Composer
        ready={model !== undefined}
        busy={busy}
        onStop={chat.stop}
        onSend={(text) => {
          atEnd.current = true;
          void chat.send(model!, sampling, text);
        }}
      />
    </section>
  );
}

function ReadingBar({ reading: { readTokens, totalTokens } }: { readonly reading: PromptProgress }) {
  return (
    <label class="field">
      <span>
        Reading the prompt: {readTokens} of {totalTokens} tokens
      </span>
      <progress value={readTokens} max={totalTokens} />
    </label>
  );
}

interface ComposerProps {
  readonly ready: boolean;
  readonly busy: boolean;
  readonly onSend: (text: string) => void;
  readonly onStop: () => void;
}

function Composer({ ready, busy, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("");
  const send = (event: Event) => {
    event.preventDefault();
    if (!ready || busy || text.trim() === "") return;
    onSend(text);
    setText("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
    if (event.key === "Escape" && busy) onStop();
  };
  return (
    <form class="composer" onSubmit={send}>
      <textarea
        aria-label="Message"
        placeholder={ready ? "Enter sends, Shift+Enter begins a line" : "No model is loaded"}
        rows={3}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {busy ? (
        <button type="button" onClick={onStop}>
          Stop
        </button>
      ) : (
        <button type="submit" class="primary" disabled={!ready || text.trim() === ""}>
          Send
        </button>
      )}
    </form>
  );
}
