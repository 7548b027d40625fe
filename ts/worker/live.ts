import { ChatCompletions } from "../api/chat.ts";
import { Completions } from "../api/completions.ts";
import { Embeddings } from "../api/embeddings.ts";
import { Model } from "../api/model.ts";
import { Context } from "../engine/context.ts";
import { ModelHeader } from "../engine/model-header.ts";
import { Metadata } from "../io/metadata.ts";
import { GenerationQueue } from "../serving/queue.ts";
import { ModelCache } from "../store/cache.ts";
import { ChatTemplate } from "../text/chat-template.ts";
import { StreamDecoder } from "../text/stream-decoder.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import type { LiveClass } from "./marks.ts";

/** The classes whose objects stay with the engine; `Live` in remote.ts is their type. */
export const LIVE: readonly LiveClass[] = [
  ...[Model, ChatCompletions, Completions, Embeddings, GenerationQueue, Context],
  ...[Tokenizer, ChatTemplate, StreamDecoder, Metadata, ModelHeader, ModelCache],
];
