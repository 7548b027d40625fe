import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../ts/backends/backend.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { loadModel } from "../../ts/engine/model.ts";
import { BackendError } from "../../ts/errors.ts";
import { GenerationQueue } from "../../ts/serving/queue.ts";
import { contextOn, tinyModel } from "../models/tiny.ts";
import { collect, GREEDY, ids, solo } from "./serve.ts";

const bytes = await tinyModel({ architecture: "qwen3next", seed: 4 });
const wasm = await WasmBackend.create({ threads: 1 });
const { tokenizer } = await loadModel(bytes, { threads: 1 });
afterAll(() => wasm.close());

describe("a backend that fails", () => {
  it("ends the requests of that batch with a typed error, and those that wait are served", async () => {
    let broken = false;
    const failing = new Proxy(wasm, {
      get(target, property: keyof Backend) {
        if (property === "run" && broken) {
          broken = false;
          throw new Error("gone");
        }
        const value: unknown = target[property];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const model = { tokenizer, createContext: async (options = {}) => (await contextOn(failing, bytes, options)).context };
    using queue = await GenerationQueue.create(model, { parallel: 2, contextLength: 64 });
    using context = await model.createContext({ contextLength: 64 });
    const alone = { context, tokenizer };
    const prompts = [1, 2, 3, 4].map((seed) => Array.from({ length: 12 }, (_, i) => (i * 89 + seed * 31) % 300));
    const streams = prompts.map((tokens) => queue.generate({ tokens, sampler: GREEDY, maxTokens: 5 }));
    await streams[0]!.next();
    broken = true;
    const results = await Promise.allSettled(streams.map(collect));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
    for (const result of results.slice(0, 2)) expect(result.status === "rejected" && result.reason).toBeInstanceOf(BackendError);
    for (const [i, result] of results.entries()) {
      if (result.status === "fulfilled") expect(ids(result.value)).toEqual((await solo(alone, prompts[i]!, 5)).tokens);
    }
    const again = await collect(queue.generate({ tokens: prompts[0]!, sampler: GREEDY, maxTokens: 5 }));
    expect(ids(again)).toEqual((await solo(alone, prompts[0]!, 5)).tokens);
    expect(queue.stats).toMatchObject({ active: 0, waiting: 0, finished: 3, failed: 2 });
  });
});
