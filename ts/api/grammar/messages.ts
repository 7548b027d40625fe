import type { GrammarHost } from "./host.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Grammars that a thread keeps compiled. One of a large schema over 248,320 tokens takes seconds to make and some MB to keep. */
export const KEPT = 16;

/** Where a mask stands after it was given tokens. */
export interface Standing {
  /** Of the tokens, how many the grammar took: fewer where it was finished before the last. */
  readonly taken: number;
  /** The token that it does not allow. */
  readonly refused?: number;
  /** Whether the grammar's text is whole and nothing can follow. */
  readonly finished: boolean;
  /** Tokens that may follow, 32 a word, the first in its lowest bit. Unless finished. */
  readonly allowed?: Int32Array;
}

/** What goes to the grammar thread: its vocabulary, once, then calls of its GrammarHost, which it answers in their order. */
export type Request =
  | { readonly vocabulary: Vocabulary }
  | { readonly id: number; readonly method: HostMethod; readonly args: readonly unknown[] };

/** What comes back: `loaded` when the script runs, then an answer for each call; `failure` says what went wrong. */
export type Response = { readonly loaded: true } | { readonly id: number; readonly value?: unknown; readonly failure?: string };

export type HostMethod = "compile" | "open" | "acceptText" | "accept" | "close";
export type HostArgs<M extends HostMethod> = Parameters<GrammarHost[M]>;
export type HostResult<M extends HostMethod> = Awaited<ReturnType<GrammarHost[M]>>;

/** A worker's global scope, a MessagePort, or parentPort of node:worker_threads. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}
