import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { loadModel, type Model } from "../../ts/api/model.ts";
import { BackendError, ContextOverflowError, DisposedError, GgufError, InvalidArgumentError } from "../../ts/errors.ts";
import { connectPort } from "../../ts/worker/connect-port.ts";
import { generate, sweep } from "../../ts/worker/page.ts";
import type { PortLike } from "../../ts/worker/port.ts";
import type { Remote } from "../../ts/worker/remote.ts";
import { servePort } from "../../ts/worker/serve-port.ts";
import { embeddedModel } from "../models/trained.ts";
import { electronChannel } from "./electron-ports.ts";

let model: Model;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1, queue: { contextLength: 512, parallel: 3 } });
});
afterAll(() => model.dispose());

const messages = [{ role: "user" as const, content: "What is the package nginx?" }];
const LONG = { messages, temperature: 0.7, max_tokens: 400 };
const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) MessagePort.prototype.close.call(port);
});

interface Ends {
  readonly port1: PortLike;
  readonly port2: PortLike;
}

function channelOfNode(): Ends {
  const ends = new MessageChannel();
  open.push(ends.port1);
  return ends;
}

async function connected(ends: Ends = channelOfNode()): Promise<{ remote: Remote<Model>; page: PortLike; stop: () => void }> {
  const stop = servePort(ends.port1, model);
  return { remote: await connectPort(ends.port2), page: ends.port2, stop };
}

/** A stream that has begun, and the rest of it. */
async function beginStream(remote: Remote<Model>): Promise<AsyncIterator<unknown>> {
  const chunks = (await remote.chat.completions.create({ ...LONG, stream: true }))[Symbol.asyncIterator]();
  for (let i = 0; i < 3; i++) await chunks.next();
  return chunks;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const idle = () => vi.waitFor(async () => expect((await model.queue()).stats).toMatchObject({ active: 0, waiting: 0 }));

describe.each([
  { name: "Node's MessageChannel", ends: channelOfNode },
  { name: "ports like Electron's", ends: electronChannel as () => Ends },
])("a model over $name", ({ ends }) => {
  it("answers as it does at home", async () => {
    const { remote } = await connected(ends());
    expect([remote.name, remote.device, remote.config.L]).toEqual([model.name, model.device, model.config.L]);
    const tokens = model.tokenize("nginx is a web server");
    expect(await remote.tokenize("nginx is a web server")).toEqual(tokens);
    expect(await remote.detokenize(tokens)).toBe("nginx is a web server");
    const request = { messages, temperature: 0, max_tokens: 12 };
    const { choices } = await model.chat.completions.create(request);
    let streamed = "";
    for await (const chunk of await remote.chat.completions.create({ ...request, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(choices[0]!.message.content);
    expect((await remote.chat.completions.create(request)).choices).toEqual(choices);
    const held = await remote.chat.completions.create({ messages, grammar: 'root ::= "yes" | "no"' });
    expect(["yes", "no"]).toContain(held.choices[0]!.message.content);
    expect((await remote.embeddings.create({ input: "nginx" })).data).toEqual((await model.embeddings.create({ input: "nginx" })).data);
  });

  it("lends contexts, whose logits are the same, and runs generate and sweep beside them", async () => {
    const { remote } = await connected(ends());
    using own = await model.createContext({ contextLength: 32 });
    const context = await remote.createContext({ contextLength: 32, ubatch: 16, checkpoints: 1 });
    expect(await context.decode({ tokens: [1, 2, 3] })).toEqual(await own.decode({ tokens: [1, 2, 3] }));
    await context.clear();
    const read: number[] = [];
    const options = { temperature: 0, maxTokens: 4, onPrompt: ({ readTokens }: { readTokens: number }) => void read.push(readTokens) };
    const pieces = await all(generate(context, remote.tokenizer, "nginx is", options));
    const home = await all(model.generate("nginx is", { temperature: 0, maxTokens: 4 }));
    expect(pieces.map(({ token }) => token)).toEqual(home.map(({ token }) => token));
    expect(read.at(-1)).toBeGreaterThan(0);
    const rows = await all(sweep(remote, context, { generated: 1 }));
    expect(rows.map(({ nKv }) => nKv)).toEqual([0, 16]);
    await context.dispose();
    await expect(context.decode({ tokens: [1] })).rejects.toThrow(DisposedError);
  });

  it("follows signals, with their own reasons, and keeps errors what they are", async () => {
    const { remote } = await connected(ends());
    const abort = new AbortController();
    const reason = new Error("enough");
    const loop = async () => {
      for await (const _ of remote.generate("nginx is", { signal: abort.signal })) abort.abort(reason);
    };
    await expect(loop()).rejects.toBe(reason);
    const later = new AbortController();
    const whole = remote.chat.completions.create(LONG, { signal: later.signal });
    later.abort(reason);
    await expect(whole).rejects.toBe(reason);
    await idle();
    const many = { messages: [{ role: "user" as const, content: "word ".repeat(600) }] };
    const overflow = await remote.chat.completions.create(many).catch((error: unknown) => error);
    expect(overflow).toBeInstanceOf(ContextOverflowError);
    expect(overflow).toMatchObject({ code: "context_overflow" });
  });

  it("a page that goes ends what it had begun: streams, whole answers, contexts", async () => {
    const { remote, page } = await connected(ends());
    const create = vi.spyOn(model, "createContext");
    const context = await remote.createContext({ contextLength: 16 });
    const home = await (create.mock.results[0]!.value as ReturnType<Model["createContext"]>);
    create.mockRestore();
    expect(await context.length()).toBe(0);
    const chunks = await beginStream(remote);
    const whole = remote.chat.completions.create(LONG);
    whole.catch(() => undefined);
    const { finished } = (await model.queue()).stats;
    await vi.waitFor(async () => expect((await model.queue()).stats.active).toBe(2));
    page.close();
    await idle();
    expect((await model.queue()).stats.finished).toBe(finished);
    await expect(home.decode({ tokens: [1] })).rejects.toThrow(DisposedError);
    chunks.return?.().catch(() => undefined);
  });

  it("an engine that goes rejects what runs and what comes, and another port goes on", async () => {
    const { remote, stop } = await connected(ends());
    const chunks = await beginStream(remote);
    const rest = (async () => {
      while (!(await chunks.next()).done);
    })();
    const whole = remote.chat.completions.create(LONG);
    const ended = [expect(rest).rejects.toThrow(BackendError), expect(whole).rejects.toThrow(/connect with another port/)];
    stop();
    await Promise.all(ended);
    await idle();
    await expect(remote.tokenize("a")).rejects.toThrow(BackendError);
    const { remote: second } = await connected(ends());
    expect(await second.tokenize("nginx")).toEqual(model.tokenize("nginx"));
  });

  it("shares the model: one page's dispose is not the other's", async () => {
    const [{ remote: first }, { remote: second }] = [await connected(ends()), await connected(ends())];
    await (await first.queue()).dispose();
    const waiting = first.chat.completions.create(LONG);
    const ended = expect(waiting).rejects.toThrow(DisposedError);
    await first.dispose();
    await ended;
    await expect(first.tokenize("a")).rejects.toThrow(/connect again/);
    const { choices } = await second.chat.completions.create({ messages, temperature: 0, max_tokens: 4 });
    expect(choices[0]!.message.content).not.toBe("");
    await idle();
  });
});

describe("the ends of a port", () => {
  it("say good-bye: browsers tell nobody that a port was closed", async () => {
    const silent = () => {
      const ends = channelOfNode();
      for (const port of [ends.port1, ends.port2]) (port as MessagePort).close = () => undefined;
      return ends;
    };
    const { remote, stop } = await connected(silent());
    const whole = remote.chat.completions.create(LONG);
    const ended = expect(whole).rejects.toThrow(BackendError);
    stop();
    await ended;
    const { remote: second } = await connected(silent());
    await beginStream(second);
    await second.dispose();
    await idle();
  });

  it("waits for a model that still loads, and tells why one could not be loaded", async () => {
    const { port1, port2 } = channelOfNode();
    servePort(port1, loadModel(new Uint8Array(64)));
    await expect(connectPort(port2)).rejects.toThrow(GgufError);
  });

  it("refuses what is no port", async () => {
    expect(() => servePort({} as PortLike, model)).toThrow(InvalidArgumentError);
    await expect(connectPort(undefined as unknown as PortLike)).rejects.toThrow(/MessagePortMain, got undefined/);
  });

  it("offers methods of the model, not what makes code", async () => {
    const { port1, port2 } = new MessageChannel();
    open.push(port1);
    servePort(port1, model);
    const ask = (target: number, method: string, ...args: unknown[]) => {
      port2.postMessage({ kind: "call", id: 1, target, method, args });
      return new Promise<{ kind: string }>((resolve) => port2.addEventListener("message", ({ data }) => resolve(data), { once: true }));
    };
    port2.start();
    for (const name of ["constructor", "valueOf", "__defineGetter__", "hasOwnProperty", "nothing"]) {
      const answer = await ask(0, name, "return process");
      expect(answer).toMatchObject({ kind: "failure", failure: { fields: { code: "invalid_argument" } } });
    }
    expect(await ask(0, "", "return process")).toMatchObject({ kind: "failure", failure: { fields: { code: "invalid_argument" } } });
    expect((await ask(0, "model")).kind).toBe("result");
  });
});
