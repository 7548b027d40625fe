import { type FormEvent, useRef, useState } from "react";
import { useModel } from "./useModel.ts";

/** A file picker, a prompt, and the answer as it streams. */
export function Playground() {
  const [file, setFile] = useState<File>();
  const { model, loaded, error } = useModel(file);
  const [prompt, setPrompt] = useState("PostgreSQL is");
  const [answer, setAnswer] = useState("");
  const [failure, setFailure] = useState("");
  const running = useRef<AbortController>(undefined);
  const [busy, setBusy] = useState(false);

  async function answerPrompt(event: FormEvent) {
    event.preventDefault();
    if (!model) return;
    const stop = new AbortController();
    running.current = stop;
    setBusy(true);
    setAnswer("");
    setFailure("");
    try {
      const pieces = model.generate(prompt, { maxTokens: 64, temperature: 0, signal: stop.signal });
      for await (const { text } of pieces) setAnswer((before) => before + text);
    } catch (reason) {
      if (!stop.signal.aborted) setFailure(String(reason));
    } finally {
      setBusy(false);
    }
  }

  const state = error ? error.message : !file ? "choose a GGUF file" : !model ? `loading: ${Math.round(100 * loaded)} %` : model.device;
  return (
    <main>
      <h1>Tandem with React</h1>
      <label>
        Model <input type="file" accept=".gguf" onChange={(event) => setFile(event.target.files?.[0])} />
      </label>
      <p role="status">{failure || state}</p>
      <form onSubmit={answerPrompt}>
        <label>
          Prompt <input value={prompt} onChange={(event) => setPrompt(event.target.value)} />
        </label>
        <button type="submit" disabled={!model || busy}>
          Continue
        </button>
        <button type="button" disabled={!busy} onClick={() => running.current?.abort()}>
          Stop
        </button>
      </form>
      <output style={{ whiteSpace: "pre-wrap" }}>{answer}</output>
    </main>
  );
}
