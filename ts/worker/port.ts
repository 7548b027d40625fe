import { InvalidArgumentError } from "../errors.ts";
import type { Failure } from "./failures.ts";

/** What a channel sends through: a Worker, a worker's own global scope, or an opened `PortLike`. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

export type Message =
  | { readonly kind: "call"; readonly id: number; readonly target: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly failure: Failure }
  | { readonly kind: "abort"; readonly signal: number }
  | { readonly kind: "release"; readonly target: number }
  | { readonly kind: "close" };

interface PortEnd {
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
}
interface EventPort extends PortEnd {
  addEventListener(type: "message" | "close", listener: (event: MessageEvent) => void): void;
}
interface EmitterPort extends PortEnd {
  on(event: "message", listener: (event: { data: unknown }) => void): unknown;
  on(event: "close", listener: () => void): unknown;
}

/** One end of a message channel, not started yet: a `MessagePort` of a page or of Node's worker_threads, or Electron's `MessagePortMain`. */
export type PortLike = EventPort | EmitterPort;

/**
 * A port for a channel, which then starts it. `onClose` is called when the other end has gone without a
 * word, where the platform tells: Node and Electron do, browsers do not. Nothing is transferred: between a page and
 * MessagePortMain, which takes ports only, a message that transfers a buffer arrives empty (electron/electron#34905).
 */
export function openPort(port: PortLike, onClose: () => void): Port {
  const given = port as Partial<EventPort & EmitterPort> | undefined;
  if (typeof given?.postMessage !== "function" || !(given.addEventListener ?? given.on)) {
    throw new InvalidArgumentError(`wanted a MessagePort or a MessagePortMain, got ${given === null ? "null" : typeof given}`);
  }
  // Node's ports have both; their `on` gives the data without its event.
  const events = "addEventListener" in port;
  if (events) port.addEventListener("close", onClose);
  else port.on("close", onClose);
  return {
    postMessage: (message) => port.postMessage(message),
    addEventListener: (_, listener) => (events ? port.addEventListener("message", listener) : port.on("message", listener)),
  };
}
