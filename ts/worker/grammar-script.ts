import { CapabilityError } from "../errors.ts";

/** Gives the text of the grammar thread's script. */
export type GrammarScript = () => Promise<string>;

let fetchScript: GrammarScript | undefined;

/** A worker that came as text knows no folder beside it: the page has the script, in a chunk that is fetched when it is asked for. */
export function setGrammarScript(fetch: GrammarScript): void {
  fetchScript = fetch;
}

/** What `tandem:grammar-script` is in the worker: 400 kB that only constrained answers need. */
export default (async () => {
  if (!fetchScript) throw new CapabilityError("grammar: this worker was not told where its script is: load the model with loadModel");
  return fetchScript();
}) satisfies GrammarScript;
