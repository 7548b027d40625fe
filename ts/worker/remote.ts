import type { ChatCompletions } from "../api/chat.ts";
import type { Completions } from "../api/completions.ts";
import type { Embeddings } from "../api/embeddings.ts";
import type { Model } from "../api/model.ts";
import type { Context } from "../engine/context.ts";
import type { ModelHeader } from "../engine/model-header.ts";
import type { Metadata } from "../io/metadata.ts";
import type { GenerationQueue } from "../serving/queue.ts";
import type { ModelCache } from "../store/cache.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import type { StreamDecoder } from "../text/stream-decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** The classes whose objects stay in the worker; a page holds a `Remote` of them. */
export type Live =
  | Model
  | ModelHeader
  | ModelCache
  | ChatCompletions
  | Completions
  | Embeddings
  | GenerationQueue
  | Context
  | Tokenizer
  | ChatTemplate
  | StreamDecoder
  | Metadata;

/**
 * An object that lives in the worker, as the page sees it. Names and arguments are those of the object itself: methods give promises,
 * async iterators stay async iterators, properties are as they were when the object was handed over (maps are left out). Code that
 * awaits every call runs unchanged on both.
 */
export type Remote<T> = {
  readonly [K in keyof T as T[K] extends ReadonlyMap<unknown, unknown> ? never : K]: K extends typeof Symbol.dispose
    ? () => void
    : RemoteMember<T[K]>;
};

type RemoteMember<M> = M extends (...args: infer A) => AsyncGenerator<infer Y, infer R, infer N>
  ? (...args: A) => AsyncGenerator<Y, R, N>
  : M extends (...args: infer A) => infer R
    ? R extends Promise<infer V>
      ? V extends Live
        ? (...args: A) => Promise<Remote<V>>
        : M // with all its overloads
      : (...args: A) => Promise<RemoteValue<R>>
    : RemoteValue<M>;

type RemoteValue<V> = V extends Live
  ? Remote<V>
  : V extends { readonly completions: Live }
    ? { readonly [K in keyof V]: RemoteValue<V[K]> }
    : V;
