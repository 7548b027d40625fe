import { useState } from "preact/hooks";
import type { SourceInput } from "tandem-llm";
import { CachedModels } from "./cached-models.tsx";
import { LoadBar } from "./load-bar.tsx";
import { showBytes, showError } from "./show.ts";
import type { HeaderState, ModelState } from "./use-model.ts";

/** The address of the example model beside the page; undefined where the page is served without it, as from the npm package. */
export async function findExampleModel(): Promise<string | undefined> {
  const { href } = new URL("models/qwen3next-mini-q4_k_m.gguf", document.baseURI);
  const response = await fetch(href, { method: "HEAD" }).catch(() => undefined);
  return response?.ok ? href : undefined;
}

type Kind = "example" | "file" | "url";
const KINDS: readonly (readonly [Kind, string])[] = [
  ["example", "Example model"],
  ["file", "File"],
  ["url", "URL or hf:"],
];

interface ModelPanelProps {
  /** Offered first, where there is one. */
  readonly example: string | undefined;
  readonly source: SourceInput | undefined;
  readonly onSource: (source: SourceInput | undefined) => void;
  readonly header: HeaderState;
  readonly state: ModelState;
  readonly onLoad: () => void;
  readonly onUnload: () => void;
}

/** Which model, and how far it has come. */
export function ModelPanel({ example, onSource, header, state, onLoad, onUnload }: ModelPanelProps) {
  const [kind, setKind] = useState<Kind>(example ? "example" : "file");
  const [url, setUrl] = useState("");
  const choose = (next: Kind) => {
    setKind(next);
    onSource(next === "example" ? example : undefined);
  };
  const useUrl = (text: string) => {
    setKind("url");
    setUrl(text);
    onSource(text.trim() || undefined);
  };
  return (
    <section class="panel model" aria-labelledby="model-title">
      <h2 id="model-title">Model</h2>
      <fieldset class="choice">
        <legend class="hidden">Where the model comes from</legend>
        {KINDS.filter(([value]) => example || value !== "example").map(([value, label]) => (
          <label key={value}>
            <input type="radio" name="source" checked={kind === value} onChange={() => choose(value)} /> {label}
          </label>
        ))}
      </fieldset>
      {kind === "file" && <FileField onSource={onSource} />}
      {kind === "url" && <UrlField value={url} onUse={useUrl} />}
      <HeaderLine header={header} state={state} />
      <div class="row">
        {state.kind === "loading" ? (
          <button type="button" onClick={onUnload}>
            Stop loading
          </button>
        ) : (
          <button type="button" class="primary" disabled={!header.header} onClick={onLoad}>
            {state.kind === "ready" ? "Load again" : "Load"}
          </button>
        )}
        {state.kind === "ready" && (
          <button type="button" onClick={onUnload}>
            Unload
          </button>
        )}
      </div>
      {state.kind === "loading" && <LoadBar progress={state.progress} />}
      {state.kind === "failed" && <p role="alert">{showError(state.error)}</p>}
      {state.kind === "ready" && (
        <p class="faint" role="status">
          Ready after {state.seconds.toFixed(1)} s: {showBytes(state.model.weightBytes)} of weights on {state.model.device}
        </p>
      )}
      <CachedModels onUse={useUrl} fresh={state.kind} />
    </section>
  );
}

function HeaderLine({ header: { header, error }, state }: Pick<ModelPanelProps, "header" | "state">) {
  if (error) return <p role="alert">{showError(error)}</p>;
  if (!header) return <p class="faint">{state.kind === "none" ? "No model chosen yet, or its header is being read." : ""}</p>;
  const { architecture, L, trainedContext } = header.config;
  return (
    <p>
      <strong>{header.name}</strong>
      <span class="faint">
        {" "}
        {architecture}, {L} layers, trained for {trainedContext.toLocaleString("en")} tokens, {showBytes(header.dataBytes)}
      </span>
    </p>
  );
}

function FileField({ onSource }: Pick<ModelPanelProps, "onSource">) {
  const read = (event: Event) => onSource((event.currentTarget as HTMLInputElement).files?.[0]);
  return (
    <label class="field">
      <span>GGUF file on this machine (it is not uploaded)</span>
      <input type="file" accept=".gguf" onChange={read} />
    </label>
  );
}

function UrlField({ value, onUse }: { readonly value: string; readonly onUse: (url: string) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onUse(String(new FormData(event.currentTarget as HTMLFormElement).get("url")));
  };
  return (
    <form class="row" onSubmit={submit}>
      <label class="field wide">
        <span>URL, or hf:owner/repo/file.gguf</span>
        <input type="text" name="url" required value={value} spellcheck={false} autocapitalize="off" />
      </label>
      <button type="submit">Look</button>
    </form>
  );
}
