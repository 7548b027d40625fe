/** The worker: the engine, offered to whoever started it. Bundled by itself; `page.ts` is the other end. */
import { type LoadOptions, loadModel, type Model } from "../api/model.ts";
import { runThread, setThreadScript, THREAD } from "../backends/wasm/workers.ts";
import { generate } from "../engine/generate.ts";
import { readModelHeader } from "../engine/model-header.ts";
import type { SourceInput } from "../io/open-source.ts";
import { sweep } from "../measure/sweep.ts";
import { openModelCache } from "../store/cache.ts";
import { Channel } from "./channel.ts";
import { type GrammarScript, setGrammarScript } from "./grammar-script.ts";
import { LIVE } from "./live.ts";
import type { Port } from "./port.ts";

const root = {
  ...{ generate, sweep, readModelHeader, openModelCache },
  loadModel: (input: SourceInput | readonly SourceInput[], options: LoadOptions, grammarScript: GrammarScript): Promise<Model> => {
    setGrammarScript(grammarScript);
    return loadModel(input, options);
  },
};

const isThread = (globalThis as { name?: string }).name === THREAD;
/** Exported so that the bundle is seen to be a module. */
export const channel = isThread ? undefined : new Channel(globalThis as unknown as Port, { root, live: LIVE });
if (isThread) globalThis.onmessage = ({ data }) => runThread(data, () => globalThis.postMessage("ready"));
// Where this script may come from a file, its threads may as well, and perhaps from nowhere else.
else if (globalThis.location.protocol !== "blob:") setThreadScript(globalThis.location.href);
