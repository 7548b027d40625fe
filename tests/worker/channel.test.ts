import { afterEach, describe, expect, it } from "vitest";
import { ContextOverflowError, DisposedError, InvalidArgumentError, SplitBudgetError } from "../../ts/errors.ts";
import { Channel, ROOT } from "../../ts/worker/channel.ts";

/** A live object of each kind of member. */
class Counter {
  readonly name = "counter";
  readonly big = new Map([["key", 1]]);
  #count = 0;
  get step(): number {
    return 2;
  }
  add(amount: number): number {
    this.#count += amount;
    return this.#count;
  }
  async *count(signal?: AbortSignal): AsyncGenerator<number, void, undefined> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      signal?.throwIfAborted();
      yield ++this.#count;
    }
  }
  dispose(): void {
    this.#count = -1;
  }
}

/** One whose members are partly those of the class that it extends. */
class Doubler extends Counter {
  double(amount: number): number {
    return this.add(2 * amount);
  }
}

interface RemoteCounter {
  readonly name: string;
  readonly step: number;
  readonly big?: unknown;
  add(amount: number): Promise<number>;
  count(signal?: AbortSignal): AsyncGenerator<number, void, undefined>;
  dispose(): Promise<void>;
}

const kept = new Counter();
const root = {
  counter: () => new Counter(),
  doubler: () => new Doubler(),
  kept: () => kept,
  countLater: async (options: { signal: AbortSignal; onStart: () => void }) => {
    options.onStart();
    return new Counter().count(options.signal);
  },
  read: (counter: Counter) => counter.add(0),
  callBack: async (options: { onStep: (step: number) => unknown }) => {
    for (let i = 0; i < 3; i++) options.onStep(i);
  },
  ask: async (source: { read: (at: number) => Promise<Uint8Array> }) => (await source.read(3)).length,
  rows: () => [new Float32Array([1, 2]), new Float32Array([3])],
  fail: (needed?: number) => {
    if (needed) throw new SplitBudgetError(needed, 1);
    throw new ContextOverflowError("full", { cause: new Error("why") });
  },
  never: () => new Promise(() => undefined),
};

const open: MessagePort[] = [];
function connect(): Channel {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  new Channel(port2, { root, live: [Counter, Doubler] });
  const channel = new Channel(port1);
  port1.start();
  port2.start();
  return channel;
}
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

describe("a channel between two threads", () => {
  it("calls objects that stay where they are, and gives them back as arguments", async () => {
    const channel = connect();
    const counter = (await channel.call(ROOT, "counter", [])) as RemoteCounter;
    expect([counter.name, counter.step, counter.big]).toEqual(["counter", 2, undefined]);
    expect(await counter.add(5)).toBe(5);
    expect(await channel.call(ROOT, "read", [counter])).toBe(5);
    await expect(connect().call(ROOT, "read", [counter])).rejects.toThrow(InvalidArgumentError);
  });

  it("knows the members that a class inherits", async () => {
    const doubler = (await connect().call(ROOT, "doubler", [])) as RemoteCounter & { double(amount: number): Promise<number> };
    expect([doubler.step, await doubler.add(1), await doubler.double(2)]).toEqual([2, 1, 5]);
    for await (const value of doubler.count()) {
      expect(value).toBe(6);
      break;
    }
  });

  it("gives async iterators that a call promised, and follows the call's signal to their end", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    let started = 0;
    const options = { signal: abort.signal, onStart: () => void started++ };
    const counts = (await connect().call(ROOT, "countLater", [options])) as AsyncGenerator<number>;
    const seen: number[] = [];
    const loop = async () => {
      for await (const value of counts) if (seen.push(value) === 3) abort.abort(reason);
    };
    await expect(loop()).rejects.toBe(reason);
    expect([started, ...seen.slice(0, 3)]).toEqual([1, 1, 2, 3]);
  });

  it("lets an object go with its last stand-in", async () => {
    const { port1, port2 } = new MessageChannel();
    open.push(port1, port2);
    new Channel(port2, { root, live: [Counter] });
    port2.start();
    const ask = (target: number, method: string): Promise<{ kind: string; value: { id: number } }> => {
      port1.postMessage({ kind: "call", id: 1, target, method, args: method === "add" ? [0] : [] });
      return new Promise((resolve) => port1.addEventListener("message", ({ data }) => resolve(data), { once: true }));
    };
    port1.start();
    const { id } = (await ask(ROOT, "kept")).value;
    expect((await ask(ROOT, "kept")).value.id).toBe(id);
    port1.postMessage({ kind: "release", target: id });
    expect((await ask(id, "add")).kind).toBe("result");
    port1.postMessage({ kind: "release", target: id });
    expect((await ask(id, "add")).kind).toBe("failure");
  });

  it("keeps the class, code and fields of errors", async () => {
    const channel = connect();
    const overflow = await channel.call(ROOT, "fail", []).catch((error: unknown) => error);
    expect(overflow).toBeInstanceOf(ContextOverflowError);
    expect(overflow).toMatchObject({ name: "ContextOverflowError", code: "context_overflow", message: "full", cause: { message: "why" } });
    const budget = await channel.call(ROOT, "fail", [7]).catch((error: unknown) => error);
    expect(budget).toBeInstanceOf(SplitBudgetError);
    expect(budget).toMatchObject({ needed: 7 });
  });

  it("calls back in order, with results where they are wanted", async () => {
    const channel = connect();
    const steps: number[] = [];
    await channel.call(ROOT, "callBack", [{ onStep: (step: number) => void steps.push(step) }]);
    expect(steps).toEqual([0, 1, 2]);
    expect(await channel.call(ROOT, "ask", [{ read: async (at: number) => new Uint8Array(at) }])).toBe(3);
    expect(await channel.call(ROOT, "rows", [])).toEqual([new Float32Array([1, 2]), new Float32Array([3])]);
  });

  it("iterates one step ahead, and stops at the end of the loop or at an abort with the signal's own reason", async () => {
    const channel = connect();
    const counter = (await channel.call(ROOT, "counter", [])) as RemoteCounter;
    const seen: number[] = [];
    for await (const value of counter.count()) if (seen.push(value) === 3) break;
    expect(seen).toEqual([1, 2, 3]);
    const after = await counter.add(0);
    expect(after).toBeLessThanOrEqual(4);
    const abort = new AbortController();
    const reason = new Error("enough");
    const loop = async () => {
      for await (const _ of counter.count(abort.signal)) abort.abort(reason);
    };
    await expect(loop()).rejects.toBe(reason);
    const stopped = await counter.add(0);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await counter.add(0)).toBe(stopped);
  });

  it("rejects what is under way when it closes, and arguments that cannot be sent", async () => {
    const channel = connect();
    await expect(channel.call(ROOT, "never", [new WeakMap()])).rejects.toThrow(/cannot be sent/);
    const waiting = channel.call(ROOT, "never", []);
    channel.close(new DisposedError("gone"));
    await expect(waiting).rejects.toThrow(DisposedError);
    await expect(channel.call(ROOT, "rows", [])).rejects.toThrow("gone");
  });
});
