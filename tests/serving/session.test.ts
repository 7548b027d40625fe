import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { SessionError } from "../../ts/errors.ts";
import { GenerationQueue, type QueueOptions } from "../../ts/serving/queue.ts";
import { embeddedModel } from "../models/trained.ts";
import { type Alone, collect, GREEDY, ids, solo, tokensOf } from "./serve.ts";

let model: Model;
let alone: Alone;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1 });
  alone = { context: await model.createContext({ contextLength: 1024 }), tokenizer: model.tokenizer };
});
afterAll(() => model.dispose());
const open = (options: QueueOptions = {}) => GenerationQueue.create(model, { contextLength: 128, parallel: 2, ...options });

/** A chat's tokens after one answer, and the chat saved. */
async function savedChat(queue: GenerationQueue): Promise<{ tokens: number[]; bytes: Uint8Array }> {
  const prompt = tokensOf(40, 1);
  const tokens = [...prompt, ...ids(await collect(queue.generate({ tokens: prompt, borders: [20], sampler: GREEDY, maxTokens: 8 })))];
  return { tokens, bytes: await queue.saveSession(tokens) };
}

describe("sessions", () => {
  it("saved here, the process gone, loaded in another: the next tokens are the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tandem-session-"));
    const file = join(folder, "chat.session");
    const library = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
    const script = `
      import { writeFile } from "node:fs/promises";
      import { GenerationQueue, loadModel } from ${JSON.stringify(library)};
      const model = await loadModel(${JSON.stringify(embeddedModel)}, { threads: 1 });
      const queue = await GenerationQueue.create(model, { contextLength: 128 });
      const tokens = ${JSON.stringify(tokensOf(40, 1))};
      for await (const { token } of queue.generate({ tokens: [...tokens], sampler: { temperature: 0 }, maxTokens: 8 })) tokens.push(token);
      await writeFile(${JSON.stringify(file)}, await queue.saveSession(tokens));
      process.kill(process.pid, "SIGKILL");`;
    try {
      await writeFile(join(folder, "save.mjs"), script);
      const child = promisify(execFile)(process.execPath, [join(folder, "save.mjs")]);
      await expect(child).rejects.toMatchObject({ signal: "SIGKILL", stderr: "" });
      using queue = await open();
      const tokens = await queue.loadSession(await readFile(file));
      expect(tokens.slice(0, 40)).toEqual(tokensOf(40, 1));
      const stream = queue.generate({ tokens: [...tokens, 5], sampler: GREEDY, maxTokens: 10 });
      expect(ids(await collect(stream))).toEqual((await solo(alone, [...tokens, 5], 10)).tokens);
      expect(stream.usage.cachedTokens).toBe(tokens.length - 1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("holds the newest checkpoint, or the tokens alone where there is none", async () => {
    using queue = await open();
    const { tokens } = await savedChat(queue);
    using other = await open();
    expect(await other.loadSession(await queue.saveSession([...tokens, 7, 8]))).toEqual([...tokens, 7, 8]);
    const edited = other.generate({ tokens: [...tokens.slice(0, 25), 9], sampler: GREEDY, maxTokens: 1 });
    await collect(edited);
    expect(edited.usage.cachedTokens).toBe(0); // one checkpoint is in the file, the last
    const strange = tokensOf(30, 5);
    expect(await other.loadSession(await other.saveSession(strange))).toEqual(strange);
  });

  it("refuses bytes that are damaged, foreign or too large, with the reason, and goes on", async () => {
    using queue = await open();
    const { tokens, bytes } = await savedChat(queue);
    for (const cut of [0, 3, 15, 40, bytes.length - 1]) await expect(queue.loadSession(bytes.slice(0, cut))).rejects.toThrow(SessionError);
    for (let i = 0; i < bytes.length; i += Math.ceil(bytes.length / 12)) {
      const damaged = bytes.slice();
      damaged[i]! ^= 0x10;
      await expect(queue.loadSession(damaged), `byte ${i}`).rejects.toThrow(SessionError);
    }
    using foreign = await open({ cacheTypeV: "f32" });
    await expect(foreign.loadSession(bytes)).rejects.toThrow(/another model or to other KV cache types/);
    using small = await open({ cacheBytes: 1000 });
    await expect(small.loadSession(bytes)).rejects.toThrow(/do not fit cacheBytes, 1000/);
    using context = await model.createContext({ contextLength: 128 });
    await context.decode({ tokens: tokensOf(9, 2), logits: "none" });
    await expect(queue.loadSession(await context.save())).rejects.toThrow(/a sequence of a context, not a session/);
    await expect(context.load(bytes)).rejects.toThrow(SessionError);
    expect(await queue.loadSession(bytes)).toEqual(tokens);
  });
});
