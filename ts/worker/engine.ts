/** The worker: the engine, offered to whoever started it. Bundled by itself; `page.ts` is the other end. */
import { ChatCompletions } from "../api/chat.ts";
import { Completions } from "../api/completions.ts";
import { Embeddings } from "../api/embeddings.ts";
import { type LoadOptions, loadModel, Model } from "../api/model.ts";
import { Context } from "../engine/context.ts";
import { generate } from "../engine/generate.ts";
import { ModelHeader, readModelHeader } from "../engine/model-header.ts";
import { Metadata } from "../io/metadata.ts";
import type { SourceInput } from "../io/open-source.ts";
import { sweep } from "../measure/sweep.ts";
import { GenerationQueue } from "../serving/queue.ts";
import { ModelCache, openModelCache } from "../store/cache.ts";
import { ChatTemplate } from "../text/chat-template.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { Channel, type Port } from "./channel.ts";
import { type GrammarScript, setGrammarScript } from "./grammar-script.ts";

const root = {
  ...{ generate, sweep, readModelHeader, openModelCache },
  loadModel: (input: SourceInput | readonly SourceInput[], options: LoadOptions, grammarScript: GrammarScript): Promise<Model> => {
    setGrammarScript(grammarScript);
    return loadModel(input, options);
  },
};

/** Exported so that the bundle is seen to be a module. */
export const channel = new Channel(globalThis as unknown as Port, root, [
  ...[Model, ChatCompletions, Completions, Embeddings, GenerationQueue, Context],
  ...[Tokenizer, ChatTemplate, StreamDecoder, Metadata, ModelHeader, ModelCache],
]);
