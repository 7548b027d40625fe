import type instantiateBinding from "xgrammar:binding";
import { CapabilityError } from "../errors.ts";

/** Gives the text of dist/browser/grammar.js. */
export type GrammarScript = () => Promise<string>;

let fetchScript: GrammarScript | undefined;

/** A worker that came as text knows no folder beside it: the page has the script, in a chunk that is fetched when it is asked for. */
export function setGrammarScript(fetch: GrammarScript): void {
  fetchScript = fetch;
}

/** What `xgrammar:binding` is in the worker: 400 kB that only constrained answers need. */
const instantiate: typeof instantiateBinding = async (options) => {
  if (!fetchScript) throw new CapabilityError("grammar: this worker was not told where its script is: load the model with loadModel");
  const url = URL.createObjectURL(new Blob([await fetchScript()], { type: "text/javascript" }));
  try {
    const script = await (import(/* @vite-ignore */ url) as Promise<{ default: typeof instantiateBinding }>).catch((cause: unknown) => {
      throw new CapabilityError("grammar: its script did not start: the page's Content-Security-Policy must allow script-src blob:", {
        cause,
      });
    });
    return await script.default(options);
  } finally {
    URL.revokeObjectURL(url);
  }
};
export default instantiate;
