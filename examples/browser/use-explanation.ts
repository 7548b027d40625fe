import { useEffect, useRef, useState } from "preact/hooks";
import type { Explanation, ModelHeader, Remote } from "tandem-llm";
import { contextOptions, type Placement, placementOptions } from "./settings.ts";

export interface ExplanationState {
  readonly explanation?: Explanation;
  readonly error?: unknown;
}

/** Where the model's parts would go, always for the newest placement: those that a moving slider passed meanwhile are left out. */
export function useExplanation(header: Remote<ModelHeader> | undefined, placement: Placement): ExplanationState {
  const [state, setState] = useState<ExplanationState>({});
  const wanted = useRef({ header, placement });
  const busy = useRef(false);

  async function follow(): Promise<void> {
    if (busy.current) return;
    busy.current = true;
    for (let done: unknown; done !== wanted.current; ) {
      const now = wanted.current;
      done = now;
      setState(await explain(now.header, now.placement));
    }
    busy.current = false;
  }

  useEffect(() => {
    wanted.current = { header, placement };
    void follow();
  }, [header, placement]);
  return state;
}

async function explain(header: Remote<ModelHeader> | undefined, placement: Placement): Promise<ExplanationState> {
  if (!header) return {};
  try {
    return { explanation: await header.explain({ ...placementOptions(placement), context: contextOptions(placement) }) };
  } catch (error) {
    return { error };
  }
}
