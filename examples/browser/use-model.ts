import { useEffect, useRef, useState } from "preact/hooks";
import { type LoadProgress, loadModel, type Model, type ModelHeader, type Remote, readModelHeader, type SourceInput } from "tandem-llm";
import { type Placement, placementOptions } from "./settings.ts";

export type ModelState =
  | { readonly kind: "none" }
  | { readonly kind: "loading"; readonly progress?: LoadProgress }
  | { readonly kind: "ready"; readonly model: Remote<Model>; readonly placement: Placement; readonly seconds: number }
  | { readonly kind: "failed"; readonly error: unknown };

/** A prompt cache of the size of a chat, not of a server's. */
const QUEUE = { parallel: 1, cacheBytes: 128 * 2 ** 20 };

/** The model in memory; one at a time. */
export function useModel() {
  const [state, setState] = useState<ModelState>({ kind: "none" });
  const loading = useRef<AbortController>(undefined);
  const current = useRef<Remote<Model>>(undefined);

  function unload(): void {
    loading.current?.abort();
    void current.current?.dispose();
    current.current = undefined;
    setState({ kind: "none" });
  }

  async function load(source: SourceInput, placement: Placement): Promise<void> {
    unload();
    const abort = new AbortController();
    loading.current = abort;
    setState({ kind: "loading" });
    const start = performance.now();
    try {
      const model = await loadModel(source, {
        ...placementOptions(placement),
        threads: placement.threads,
        context: { contextLength: placement.contextLength },
        queue: { ...QUEUE, contextLength: placement.contextLength },
        signal: abort.signal,
        onProgress: (progress) => {
          if (!abort.signal.aborted) setState({ kind: "loading", progress });
        },
      });
      if (abort.signal.aborted) return void model.dispose();
      current.current = model;
      setState({ kind: "ready", model, placement, seconds: (performance.now() - start) / 1000 });
    } catch (error) {
      if (loading.current === abort) setState(abort.signal.aborted ? { kind: "none" } : { kind: "failed", error });
    }
  }

  return { state, load, unload };
}

export interface HeaderState {
  readonly header?: Remote<ModelHeader>;
  readonly error?: unknown;
}

/** What the chosen file says of itself. */
export function useHeader(source: SourceInput | undefined): HeaderState {
  const [state, setState] = useState<HeaderState>({});
  useEffect(() => {
    setState({});
    if (source === undefined) return;
    const abort = new AbortController();
    const set = (next: HeaderState) => {
      if (!abort.signal.aborted) setState(next);
    };
    readModelHeader(source, { signal: abort.signal }).then(
      (header) => set({ header }),
      (error: unknown) => set({ error }),
    );
    return () => abort.abort();
  }, [source]);
  return state;
}
