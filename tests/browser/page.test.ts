import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchChromium, servePages } from "../../scripts/chromium.mjs";
import type * as tandem from "../../ts/browser.ts";
import { tandem as command } from "../cli/tandem.ts";

const folder = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const QUESTION = "What is the package nginx?";
const TOKENS = 24;

/** What a page has after `open`: the bundle and the model that it loaded. */
declare global {
  interface Window {
    tandem: typeof tandem;
    model: tandem.Remote<tandem.Model>;
  }
}

const browser: Browser | undefined = await launchChromium();
afterAll(() => browser?.close());

describe.skipIf(!browser).each([
  { isolated: true, threads: 2 },
  { isolated: false, threads: 1 },
])("a page, cross-origin isolated: $isolated", ({ isolated, threads }) => {
  let page: Page;
  let server: Awaited<ReturnType<typeof servePages>>;
  const said: string[] = [];
  const progress: { loadedBytes: number; totalBytes: number }[] = [];

  beforeAll(async () => {
    server = await servePages({ dist: folder("dist"), models: folder("examples/models") }, { isolated });
    page = await browser!.newPage();
    page.on("console", (message) => {
      if (/error|warning/.test(message.type())) said.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => said.push(`error: ${error.message}`));
    await page.goto(server.url);
    await page.addScriptTag({ type: "module", content: 'import * as tandem from "/dist/browser/index.js"; window.tandem = tandem;' });
    await page.waitForFunction(() => window.tandem);
    progress.push(
      ...(await page.evaluate(async (threads) => {
        const blob = await (await fetch("/models/qwen3next-mini-q4_k_m.gguf")).blob();
        const seen: { loadedBytes: number; totalBytes: number }[] = [];
        window.model = await window.tandem.loadModel(blob, { threads, onProgress: (step) => seen.push(step) });
        return seen;
      }, threads)),
    );
  });
  afterAll(async () => {
    await page.close();
    server.close();
  });

  it("streams the model in and says what it is", async () => {
    expect(progress.at(-1)!.loadedBytes).toBe(progress.at(-1)!.totalBytes);
    expect(progress.length).toBeGreaterThan(10);
    const { device, layers, capabilities } = await page.evaluate(async () => {
      const { model, tandem } = window;
      return { device: model.device, layers: model.config.L, capabilities: await tandem.capabilities() };
    });
    expect(device).toContain(threads === 1 ? "1 thread)" : "2 threads)");
    expect(layers).toBe(8);
    expect(capabilities.threads.available).toBe(isolated);
    expect(capabilities.threads.why ?? "").toContain(isolated ? "" : "Cross-Origin-Opener-Policy: same-origin");
    expect(capabilities.opfs.available).toBe(true);
    expect(capabilities.memory.wasmBytes).toBe(2 ** 32);
  });

  it("answers as the command does in Node", async () => {
    const expected = JSON.parse(command(["run", "--temp", "0", "-n", `${TOKENS}`, "--json", QUESTION]).stdout) as { tokens: number[] };
    const answer = await page.evaluate(
      async ([question, maxTokens]) => {
        const { model, tandem } = window;
        const prompt = await model.chatTemplate.render({ messages: [{ role: "user", content: question }] });
        const tokens = await model.tokenizer.encode(prompt, { addSpecial: false });
        const context = await model.createContext({ contextLength: 512 });
        const read: number[] = [];
        const answer: number[] = [];
        const onPrompt = ({ readTokens }: { readTokens: number }) => void read.push(readTokens);
        for await (const piece of tandem.generate(context, model.tokenizer, tokens, { temperature: 0, maxTokens, onPrompt }))
          answer.push(piece.token);
        await context.dispose();
        return { tokens: answer, read, wanted: tokens.length };
      },
      [QUESTION, TOKENS] as const,
    );
    expect(answer.tokens).toEqual(expected.tokens);
    expect(answer.read).toEqual([answer.wanted]);
  });

  it("decodes, stops when aborted, and keeps errors what they are", async () => {
    const seen = await page.evaluate(async () => {
      const { model, tandem } = window;
      const context = await model.createContext({ contextLength: 64 });
      const [logits] = await context.decode({ tokens: [1, 2, 3] });
      const abort = new AbortController();
      const reason = new Error("enough");
      let count = 0;
      let thrown: unknown;
      try {
        for await (const _ of model.generate("nginx is", { temperature: 0, signal: abort.signal })) if (++count === 3) abort.abort(reason);
      } catch (error) {
        thrown = error;
      }
      const overflow = await context.decode({ tokens: new Int32Array(100) }).catch((error: unknown) => error);
      const full = overflow instanceof tandem.ContextOverflowError ? `${overflow.name} ${overflow.code}` : `${overflow}`;
      const length = await context.length();
      return { logits: logits!.length, itself: thrown === reason, count, full, length };
    });
    expect(seen).toEqual({ logits: 8192, itself: true, count: seen.count, full: "ContextOverflowError context_overflow", length: 3 });
    expect(seen.count).toBeLessThan(6);
  });

  it("chats, also held to a grammar, plans and sweeps", async () => {
    const seen = await page.evaluate(async (question) => {
      const { model, tandem } = window;
      const messages: tandem.ChatMessageParam[] = [{ role: "user", content: question }];
      const request = { messages, temperature: 0, max_tokens: 8, stream: true, stream_options: { include_usage: true } } as const;
      let streamed = "";
      let usage: tandem.Usage | null | undefined;
      const read: number[] = [];
      const onPrompt = ({ readTokens }: tandem.PromptProgress) => void read.push(readTokens);
      for await (const chunk of await model.chat.completions.create(request, { onPrompt })) {
        streamed += chunk.choices[0]?.delta.content ?? "";
        usage = chunk.usage ?? usage;
      }
      const { choices } = await model.chat.completions.create({ messages, temperature: 0, max_tokens: 8 });
      const held = await model.chat.completions.create({ messages, grammar: 'root ::= "yes" | "no"' });
      const { finished } = (await model.queue()).stats;
      const context = await model.createContext({ contextLength: 16, ubatch: 8, checkpoints: 1 });
      const rows: tandem.SweepRow[] = [];
      for await (const row of tandem.sweep(model, context, { generated: 2 })) rows.push(row);
      const header = await tandem.readModelHeader("/models/qwen3next-mini-q4_k_m.gguf");
      const { report } = await header.explain({ gpuLayers: 4 });
      const answers = { streamed, whole: choices[0]!.message.content, held: held.choices[0]!.message.content };
      return { ...answers, usage, read, finished, rows: rows.map(({ nKv }) => nKv), splits: report.graphSplits };
    }, QUESTION);
    expect(seen.streamed.length).toBeGreaterThan(0);
    expect(seen).toMatchObject({ whole: seen.streamed, finished: 3, rows: [0, 8], splits: 3 });
    expect(["yes", "no"]).toContain(seen.held);
    expect(seen.usage?.completion_tokens).toBe(8);
    expect(seen.read.at(-1)).toBe(seen.usage?.prompt_tokens);
  });

  it("streams go on while a schema is compiled", async () => {
    const tokens = await page.evaluate(async (question) => {
      const { model } = window;
      const logit_bias = { [model.tokenizer.eos!]: -100 };
      const free = await model.completions.create({ prompt: "nginx is", max_tokens: 400, stream: true, logit_bias });
      let [count, compiled] = [0, false];
      const reading = (async () => {
        for await (const _ of free) if (compiled || ++count === 400) break;
      })();
      const schema = { type: "object", properties: { note: { type: "string", maxLength: 4000 } }, required: ["note"] };
      const response_format = { type: "json_schema" as const, json_schema: { name: "data", schema } };
      const messages = [{ role: "user" as const, content: question }];
      for await (const _ of await model.chat.completions.create({ messages, response_format, stream: true })) break;
      compiled = true;
      await reading;
      return count;
    }, QUESTION);
    expect(tokens).toBeGreaterThan(5);
  });

  it("gives everything back on dispose, and nothing went to the console but one hint", async () => {
    const after = await page.evaluate(async () => {
      const { model } = window;
      const context = await model.createContext({ contextLength: 8 });
      const running = context.decode({ tokens: [1, 2, 3] }).catch((error: { code: string }) => error.code);
      await model.dispose();
      return [await running, await context.length().catch((error: { code: string }) => error.code)];
    });
    expect(after).toEqual(["disposed", "disposed"]);
    const hints = said.filter((line) => line.startsWith("warning: tandem: one CPU thread only."));
    expect(said).toEqual(hints);
    expect(hints).toHaveLength(isolated ? 0 : 1);
  });
});

it.skipIf(!browser)("a page whose worker can have none of its own holds answers to grammars all the same", async () => {
  const server = await servePages({ dist: folder("dist"), models: folder("examples/models") }, { isolated: false });
  const page = await browser!.newPage();
  await page.goto(server.url);
  await page.addScriptTag({ type: "module", content: 'import * as tandem from "/dist/browser/index.js"; window.tandem = tandem;' });
  await page.waitForFunction(() => window.tandem);
  const answer = await page.evaluate(async (question) => {
    const none = `data:text/javascript,${encodeURIComponent("self.Worker = undefined")}`;
    const script = `import "${none}"; import "${location.origin}/dist/browser/worker.js";`;
    const workerUrl = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const blob = await (await fetch("/models/qwen3next-mini-q4_k_m.gguf")).blob();
    const model = await window.tandem.loadModel(blob, { workerUrl, threads: 1 });
    const ask = (grammar: string) => model.chat.completions.create({ messages: [{ role: "user", content: question }], grammar });
    const refused = await ask("root ::= (").catch((error: { code: string }) => error.code);
    const { choices } = await ask('root ::= "yes" | "no"');
    await model.dispose();
    return [refused, choices[0]!.message.content];
  }, QUESTION);
  expect(["yes", "no"]).toContain(answer[1]);
  expect(answer[0]).toBe("invalid_argument");
  await page.close();
  server.close();
});

it("the bundles touch nothing of the platform when they are imported", async () => {
  const names = ["navigator", "Worker", "WebAssembly", "document", "fetch"];
  const get = (name: string) => () => {
    throw new Error(`${name} touched at import`);
  };
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const name of names) Object.defineProperty(globalThis, name, { get: get(name), configurable: true });
  try {
    for (const bundle of ["dist/browser/index.js", "dist/index.js"]) {
      const text = readFileSync(folder(bundle), "utf8");
      expect(text.length).toBeGreaterThan(0);
      const module = (await import(/* @vite-ignore */ folder(bundle))) as typeof tandem;
      expect(module.loadModel).toBeTypeOf("function");
    }
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  }
});
