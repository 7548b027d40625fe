import type { Context } from "../engine/context.ts";
import type { Model } from "../engine/model.ts";
import type { Metadata } from "../io/metadata.ts";
import type { ChatTemplate } from "../text/chat-template.ts";
import type { StreamDecoder } from "../text/stream-decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** The classes whose objects stay in the worker; a page holds a `Remote` of them. */
export type Live = Model | Context | Tokenizer | ChatTemplate | StreamDecoder | Metadata;

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
    ? (...args: A) => Promise<RemoteValue<Awaited<R>>>
    : RemoteValue<M>;

type RemoteValue<V> = V extends Live ? Remote<V> : V;
