import { describe, expect, it } from "vitest";
import { generate } from "../../ts/engine/generate.ts";
import { type LoadOptions, loadModel } from "../../ts/engine/model.ts";
import { tinyModel } from "../models/tiny.ts";
import { testBackend } from "./adapter.ts";

const probe = await testBackend(); // makes SwiftShader the Vulkan of this process where there is no GPU
probe?.close();

/** Up to 8 tokens matmuls take no tiles: those compile for seconds on SwiftShader, one for each shape. */
const SMALL = { contextLength: 64, ubatch: 8, cacheTypeK: "f32", cacheTypeV: "f32" } as const;
const TOKENS = Array.from({ length: 8 }, (_, i) => (i * 89 + 7) % 300);

interface Result {
  readonly rows: Float32Array[];
  readonly greedy: number[];
  readonly splits: number;
  readonly pipelined: boolean;
}

async function measure(bytes: Uint8Array, options: LoadOptions): Promise<Result> {
  using model = await loadModel(bytes, { threads: 1, ...options });
  using context = await model.createContext(SMALL);
  const rows = await context.decode({ tokens: TOKENS, logits: "all" });
  await context.clear();
  const greedy: number[] = [];
  for await (const { token } of generate(context, model.tokenizer, TOKENS, { temperature: 0, maxTokens: 8 })) greedy.push(token);
  return { rows, greedy, splits: context.graphInfo.splits, pipelined: context.pipelined };
}

function apart(got: readonly Float32Array[], want: readonly Float32Array[]): number {
  let [worst, squares, count] = [0, 0, 0];
  want.forEach((row, t) => {
    row.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(got[t]![i]! - value));
      squares += value * value;
      count++;
    });
  });
  return worst / Math.sqrt(squares / count);
}

describe.skipIf(!probe)("one model across CPU and GPU", () => {
  it("gives the CPU's logits and tokens wherever its parts are, and few splits", async () => {
    const bytes = await tinyModel({ architecture: "qwen3next", seed: 5 });
    const want = await measure(bytes, { gpuLayers: 0 });
    const L = 4;
    const placements: [LoadOptions, number][] = [
      [{ gpuLayers: "auto" }, 2],
      [{ gpuLayers: 99, cpuExperts: true }, 2 * L + 2],
    ];
    for (const [options, most] of placements) {
      const got = await measure(bytes, options);
      const label = JSON.stringify(options);
      expect(apart(got.rows, want.rows), label).toBeLessThan(1e-3);
      expect(got.greedy, label).toEqual(want.greedy);
      expect(got.splits, label).toBeLessThanOrEqual(most);
      expect(got.pipelined, label).toBe(options.gpuLayers === "auto");
    }
  }, 120_000);

  it("an abort in mid-prefill keeps whole ubatches, and the context goes on", async () => {
    using model = await loadModel(await tinyModel({ architecture: "qwen3next", seed: 5 }), { threads: 1, gpuLayers: 99 });
    using context = await model.createContext(SMALL);
    const [want] = await context.decode({ tokens: TOKENS });
    await context.clear();
    const abort = new AbortController();
    const running = context.decode({ tokens: [...TOKENS, ...TOKENS, ...TOKENS, ...TOKENS], logits: "all" }, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 0);
    await expect(running).rejects.toThrow("enough");
    expect(context.length() % 8).toBe(0);
    expect(context.length()).toBeLessThan(32);
    await context.clear();
    expect(await context.decode({ tokens: TOKENS })).toEqual([want]);
  });

  it("says which layers fit when memory is short", async () => {
    const bytes = await tinyModel({ architecture: "qwen35", seed: 5 });
    await expect(loadModel(bytes, { gpuLayers: 99, gpuMemory: 1 })).rejects.toThrow(/0 layer\(s\) fit/);
    await expect(loadModel(bytes, { gpuLayers: "auto", gpuMemory: 1 })).rejects.toThrow(/not one layer fits/);
  });
});
