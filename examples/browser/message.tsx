import { useState } from "preact/hooks";
import { Markdown } from "./markdown.tsx";
import { showError, showSpeed } from "./show.ts";
import type { Timing, Turn } from "./use-chat.ts";

interface MessageProps {
  readonly turn: Turn;
  readonly writing: boolean;
  readonly onEdit: ((text: string) => void) | undefined;
  readonly onRegenerate: (() => void) | undefined;
}

/** A turn of the conversation. */
export function Message({ turn, writing, onEdit, onRegenerate }: MessageProps) {
  const [editing, setEditing] = useState(false);
  const { role, text, reasoning, timing, stopped, error } = turn;
  const edit = (changed: string) => {
    setEditing(false);
    onEdit?.(changed);
  };
  if (editing) return <Editor text={text} onSave={edit} onCancel={() => setEditing(false)} />;
  return (
    <article class={`message ${role}`} aria-label={role === "user" ? "You" : "Model"}>
      {reasoning && (
        <details>
          <summary>Reasoning</summary>
          <Markdown text={reasoning} />
        </details>
      )}
      {role === "user" ? <p class="plain">{text}</p> : <Markdown text={text} />}
      {error !== undefined && <p role="alert">{showError(error)}</p>}
      <footer>
        {writing && <span class="faint">writing…</span>}
        {stopped && <span class="faint">stopped</span>}
        {timing && <span class="faint">{showTiming(timing)}</span>}
        {onEdit && (
          <button type="button" class="quiet" onClick={() => setEditing(true)}>
            Edit
          </button>
        )}
        {onRegenerate && (
          <button type="button" class="quiet" onClick={onRegenerate}>
            Regenerate
          </button>
        )}
      </footer>
    </article>
  );
}

function Editor({
  text,
  onSave,
  onCancel,
}: {
  readonly text: string;
  readonly onSave: (text: string) => void;
  readonly onCancel: () => void;
}) {
  const [changed, setChanged] = useState(text);
  const save = (event: Event) => {
    event.preventDefault();
    if (changed.trim() !== "") onSave(changed);
  };
  return (
    <form class="message user" onSubmit={save}>
      <textarea aria-label="Edited message" rows={3} value={changed} onInput={(event) => setChanged(event.currentTarget.value)} />
      <div class="row">
        <button type="submit" class="primary">
          Send
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

const ENDS = { stop: "", length: ", cut at the limit" } as const;

function showTiming({ promptTokens, cachedTokens, generatedTokens, pp, tg, ended }: Timing): string {
  const kept = cachedTokens > 0 ? ` (${cachedTokens} kept)` : "";
  const read = `${promptTokens} tokens read${kept}${pp === null ? "" : ` at ${showSpeed(pp)}`}`;
  return `${read}, ${generatedTokens} written${tg === null ? "" : ` at ${showSpeed(tg)}`}${ENDS[ended]}`;
}
