import { BackendError, DisposedError, InvalidArgumentError } from "../errors.ts";
import { buffersOf, callBack, end, isIterator, leave, methodOf, type Scope, stepwise } from "./calls.ts";
import { packFailure, RemoteAbort, unpackFailure } from "./failures.ts";
import { describe, type LiveClass, MARK, type Mark, mapParts, markOf } from "./marks.ts";
import type { Message, Port } from "./port.ts";

/** What one side of a channel lets the other one use. */
export interface Offer {
  /** What the other side calls first, as ROOT. */
  readonly root: object;
  /** Classes whose objects stay here: the other side gets stand-ins. */
  readonly live: readonly LiveClass[];
  /** Those of them whose objects serve others as well: neither the other side nor the channel's end disposes of them. */
  readonly shared?: readonly LiveClass[];
}

interface Pending {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
  readonly scope: Scope;
}
type Answers = AsyncGenerator<unknown, unknown, unknown>;

/** The object that a channel was opened with, on the side that offers one. */
export const ROOT = 0;
/** What is under way at one end when the other one goes. */
export const otherEndClosed = () =>
  new BackendError("port: its other end was closed, or the process there has ended: connect with another port");

/** Names the target itself, a function, as what is to be called. */
const ITSELF = "";

/** Which channel a page's stand-in belongs to, and the id of what it stands for. */
const owners = new WeakMap<object, { readonly channel: Channel; readonly id: number }>();

/** The channel of a stand-in. Throws InvalidArgumentError for any other object. */
export function channelOf(remote: object): Channel {
  const owner = owners.get(remote);
  if (!owner) throw new InvalidArgumentError("wanted an object of a model that this page has loaded, got another one");
  return owner.channel;
}

const isOf = (classes: readonly LiveClass[], object: object) =>
  classes.some(({ prototype }) => Object.getPrototypeOf(object) === prototype);

/**
 * Calls between two threads or processes, the same on both sides. Carries what structured clone does not: objects of the live classes stay where they
 * are and are called from afar, callbacks, AbortSignals, async iterators, typed errors. Closing rejects every call that is still out, which
 * comlink 4 cannot: a terminated worker would leave its page waiting for ever.
 */
export class Channel {
  readonly #port: Port;
  readonly #live: readonly LiveClass[];
  readonly #shared: readonly LiveClass[];
  /** What the other side may call. */
  readonly #objects = new Map<number, object>();
  readonly #ids = new WeakMap<object, number>();
  /** How many stand-ins the other side has made of a live object. */
  readonly #standIns = new Map<number, number>();
  /** How to end what runs here for the other side, and give back what was made for it. */
  readonly #open = new Map<object, () => unknown>();
  /** Signals of this side that the other one follows, and the other way round. */
  readonly #signals = new Map<number, AbortSignal>();
  readonly #controllers = new Map<number, AbortController>();
  readonly #pending = new Map<number, Pending>();
  readonly #forgotten = new FinalizationRegistry<number>((target) => this.#post({ kind: "release", target }));
  #lastId = ROOT;
  #closed: Error | undefined;

  constructor(port: Port, offer?: Offer) {
    this.#port = port;
    this.#live = offer?.live ?? [];
    this.#shared = offer?.shared ?? [];
    if (offer) this.#objects.set(ROOT, offer.root);
    port.addEventListener("message", ({ data }) => this.#receive(data as Message));
  }

  /**
   * Calls a method on the other side. Callbacks and signals among the arguments are forgotten at its end, or at that of the async iterator
   * that it gives, unless a scope is given.
   */
  async call(target: number, method: string, args: readonly unknown[], scope?: Scope): Promise<unknown> {
    const own = scope ?? [];
    let lent = false;
    try {
      const value = await this.#send(target, method, args, own);
      lent = isIterator(value);
      return value;
    } finally {
      if (!scope && !lent) end(own);
    }
  }

  /** Runs an async iterator of the other side. */
  async *iterate(target: number, method: string, args: readonly unknown[]): Answers {
    return yield* (await this.call(target, method, args)) as Answers;
  }

  /** Runs an iterator of the other side one step ahead of the loop here, so that neither waits for messages to cross. */
  async *#loop(iterator: number, scope: Scope): Answers {
    try {
      const next = () => this.#send(iterator, "next", [], scope) as Promise<IteratorResult<unknown>>;
      let step = next();
      try {
        for (;;) {
          const { value, done } = await step;
          if (done) return value;
          step = next();
          step.catch(() => undefined); // heard of when the loop comes to it
          yield value;
        }
      } finally {
        // A loop that ended by itself is told as well, and is then no longer there.
        if (!this.#closed) await this.#send(iterator, "return", [], scope).catch(() => undefined);
      }
    } finally {
      end(scope);
    }
  }

  /** Ends everything: calls under way and later ones reject with this error; what the other side has begun here ends and is given back. */
  close(reason: Error): void {
    if (this.#closed) return;
    this.#post({ kind: "close" });
    this.#closed = reason;
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    for (const controller of this.#controllers.values()) controller.abort(reason);
    this.#abandon();
    this.#objects.clear();
  }

  #abandon(): void {
    for (const letGo of this.#open.values()) letGo();
    this.#open.clear();
  }

  #post(message: Message, transfer: Transferable[] = []): void {
    if (!this.#closed) this.#port.postMessage(message, transfer);
  }

  #send(target: number, method: string, args: readonly unknown[], scope: Scope): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#closed;
      const id = ++this.#lastId;
      const packed = args.map((value) => this.#pack(value, scope));
      this.#pending.set(id, { resolve, reject, scope });
      try {
        this.#post({ kind: "call", id, target, method, args: packed });
      } catch (cause) {
        this.#pending.delete(id);
        throw new InvalidArgumentError(`${method}: an argument cannot be sent to a worker: ${(cause as Error).message}`, { cause });
      }
    });
  }

  #receive(message: Message): void {
    if (this.#closed) return;
    switch (message.kind) {
      case "call":
        void this.#serve(message);
        break;
      case "abort":
        this.#controllers.get(message.signal)?.abort(new RemoteAbort(message.signal));
        break;
      case "release":
        this.#release(message.target);
        break;
      case "close":
        this.close(otherEndClosed());
        break;
      default: {
        const pending = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        if (message.kind === "result") pending?.resolve(this.#unpack(message.value, pending.scope));
        else pending?.reject(unpackFailure(message.failure, (signal) => this.#signals.get(signal)?.reason));
      }
    }
  }

  #release(target: number): void {
    const left = (this.#standIns.get(target) ?? 1) - 1;
    this.#standIns.set(target, left);
    if (left > 0) return;
    this.#standIns.delete(target);
    this.#objects.delete(target);
  }

  async #serve({ id, target, method, args }: Message & { kind: "call" }): Promise<void> {
    const scope: Scope = [];
    let lent = false;
    try {
      const object = this.#objects.get(target);
      if (!object) throw new DisposedError(`${method}: what it was called on is no longer there`);
      const given = args.map((value) => this.#unpack(value, scope));
      const result = await (method === ITSELF ? callBack(object, given) : this.#run(object, method, given));
      lent = isIterator(result);
      const value = lent ? this.#lend(result as AsyncIterable<unknown>, scope) : this.#pack(result, []);
      if (this.#closed) this.#abandon();
      this.#post({ kind: "result", id, value }, buffersOf(value));
    } catch (error) {
      this.#fail(id, error);
    } finally {
      if (!lent) end(scope);
    }
  }

  #run(object: object, method: string, args: readonly unknown[]): unknown {
    if (method === "dispose") {
      if (isOf(this.#shared, object)) return undefined;
      this.#open.delete(object);
    }
    return methodOf(object, method).apply(object, [...args]);
  }

  #fail(id: number, error: unknown): void {
    try {
      this.#post({ kind: "failure", id, failure: packFailure(error) });
    } catch {
      const failure = packFailure(new BackendError(`worker: an error that cannot be sent: ${String(error)}`));
      this.#post({ kind: "failure", id, failure });
    }
  }

  /** Lets the other side run an iterator; the scope of the call that made it ends with it. */
  #lend(iterable: AsyncIterable<unknown>, scope: Scope): Mark {
    const iterator = iterable[Symbol.asyncIterator]();
    this.#open.set(iterator, () => leave(iterator).catch(() => undefined));
    const id = this.#register(
      stepwise(iterator, () => {
        this.#open.delete(iterator);
        this.#objects.delete(id);
        end(scope);
      }),
    );
    return { [MARK]: "iterator", id };
  }

  #register(object: object): number {
    const id = this.#ids.get(object) ?? ++this.#lastId;
    this.#ids.set(object, id);
    this.#objects.set(id, object);
    return id;
  }

  #pack(value: unknown, scope: Scope): unknown {
    if (typeof value === "function") {
      const id = this.#register(value);
      scope.push(() => this.#objects.delete(id));
      return { [MARK]: "function", id } satisfies Mark;
    }
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof AbortSignal) return this.#packSignal(value, scope);
    const owner = owners.get(value);
    if (owner && owner.channel !== this) throw new InvalidArgumentError("this object belongs to another model's worker");
    if (owner) return { [MARK]: "yours", id: owner.id } satisfies Mark;
    if (isOf(this.#live, value)) {
      const id = this.#register(value);
      this.#standIns.set(id, (this.#standIns.get(id) ?? 0) + 1);
      if ("dispose" in value && !isOf(this.#shared, value)) this.#open.set(value, () => methodOf(value, "dispose").call(value));
      return { [MARK]: "live", id, ...describe(value, (member) => this.#pack(member, scope)) } satisfies Mark;
    }
    return mapParts(value, (part) => this.#pack(part, scope));
  }

  #packSignal(signal: AbortSignal, scope: Scope): Mark {
    const id = ++this.#lastId;
    const tell = () => this.#post({ kind: "abort", signal: id });
    this.#signals.set(id, signal);
    signal.addEventListener("abort", tell);
    scope.push(() => {
      this.#signals.delete(id);
      signal.removeEventListener("abort", tell);
    });
    return { [MARK]: "signal", id, aborted: signal.aborted };
  }

  #unpack(value: unknown, scope: Scope): unknown {
    const mark = markOf(value);
    if (!mark) return mapParts(value, (part) => this.#unpack(part, scope));
    switch (mark[MARK]) {
      case "function":
        return (...args: unknown[]) => {
          const answer = this.call(mark.id, ITSELF, args);
          answer.catch(() => undefined); // callbacks are not waited for; where they fail, they say so themselves
          return answer;
        };
      case "yours":
        return this.#objects.get(mark.id);
      case "signal": {
        const controller = new AbortController();
        if (mark.aborted) controller.abort(new RemoteAbort(mark.id));
        this.#controllers.set(mark.id, controller);
        scope.push(() => this.#controllers.delete(mark.id));
        return controller.signal;
      }
      case "live":
        return this.#standIn(mark);
      case "iterator":
        return this.#loop(mark.id, scope);
    }
  }

  #standIn({ id, data, methods, iterators }: Mark & { [MARK]: "live" }): object {
    const remote: Record<string | symbol, unknown> = { ...(this.#unpack(data, []) as object) };
    for (const method of methods) remote[method] = (...args: unknown[]) => this.call(id, method, args);
    for (const method of iterators) remote[method] = (...args: unknown[]) => this.iterate(id, method, args);
    if (methods.includes("dispose")) remote[Symbol.dispose] = () => void this.call(id, "dispose", []).catch(() => undefined);
    owners.set(remote, { channel: this, id });
    this.#forgotten.register(remote, id);
    return remote;
  }
}
