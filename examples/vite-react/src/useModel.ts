import { useEffect, useState } from "react";
import { loadModel, type Model, type Remote, type SourceInput } from "tandem-llm";

/** What a component knows of a model: on its way (`loaded` from 0 to 1), here, or failed. */
export interface ModelState {
  readonly loaded: number;
  readonly model?: Remote<Model>;
  readonly error?: Error;
}

/** Loads a model in a worker, and disposes of it when the component goes or the input changes. */
export function useModel(input: SourceInput | undefined): ModelState {
  const [state, setState] = useState<ModelState>({ loaded: 0 });
  useEffect(() => {
    setState({ loaded: 0 });
    if (input === undefined) return;
    const gone = new AbortController();
    let mine: Remote<Model> | undefined;
    loadModel(input, {
      signal: gone.signal,
      onProgress: ({ loadedBytes, totalBytes }) => setState({ loaded: loadedBytes / totalBytes }),
    })
      .then((model) => {
        mine = model;
        if (gone.signal.aborted) void model.dispose();
        else setState({ loaded: 1, model });
      })
      .catch((error: Error) => {
        if (!gone.signal.aborted) setState({ loaded: 0, error });
      });
    return () => {
      gone.abort();
      void mine?.dispose();
    };
  }, [input]);
  return state;
}
