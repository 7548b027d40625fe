import { describe, expect, it } from "vitest";
import { resolveContext } from "../../ts/engine/context-options.ts";
import { examine } from "../../ts/engine/examine.ts";
import { type LoadOptions, loadModel, type Model } from "../../ts/engine/model.ts";
import { OutOfMemoryError } from "../../ts/errors.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { buildModel } from "../../ts/models/architecture.ts";
import { tinyModel } from "../models/tiny.ts";

const LAYERS = 8;
const models = {
  qwen3next: await tinyModel({ architecture: "qwen3next", seed: 11, layers: LAYERS }),
  "qwen35, tied": await tinyModel({ architecture: "qwen35", seed: 12, layers: LAYERS, quant: "Q4_K" }),
};
const CONTEXT = { contextLength: 64, sequences: 2, ubatch: 7, cacheTypeK: "f32", cacheTypeV: "f32" } as const;
const TOKENS = Array.from({ length: 20 }, (_, i) => (i * 89 + 7) % 300);

/** A model whose banks have room for this share of its weights and states. */
async function inBanks(bytes: Uint8Array, share = 1 / 2.4, options: LoadOptions = {}): Promise<Model> {
  const file = await openGguf(bytes);
  const { architecture, config } = examine(file);
  const { shape } = resolveContext(config, CONTEXT);
  const { weights, states } = buildModel(architecture, file, config, shape).graph;
  const total = [...weights.values(), ...states.values()].reduce((sum, tensor) => sum + tensorBytes(tensor, shape.max), 0);
  return loadModel(bytes, { threads: 2, context: CONTEXT, bankBytes: total * share, ...options });
}

describe.each(Object.entries(models))("%s in three banks", (name, bytes) => {
  it("gives the bits of one", async () => {
    using one = await loadModel(bytes, { threads: 2 });
    using three = await inBanks(bytes);
    expect(one.device).not.toContain("memories");
    expect(three.device).toContain("3 memories");
    using a = await one.createContext(CONTEXT);
    using b = await three.createContext(CONTEXT);
    expect(a.graphInfo.splits).toBe(1);
    expect(b.graphInfo.splits).toBe(name.includes("tied") ? 4 : 3);
    for (const requests of [
      [{ tokens: TOKENS.slice(0, 12), logits: [0, 6, 11] }],
      [{ tokens: [5] }, { tokens: TOKENS.slice(3, 9), sequence: 1 }],
      [{ tokens: [8] }, { tokens: [9], sequence: 1 }],
    ]) {
      expect(await b.decode(requests)).toEqual(await a.decode(requests));
    }
  });
});

describe("a model in three banks", () => {
  it("runs several contexts, saves and loads, and lives through an abort", async () => {
    using model = await inBanks(models.qwen3next);
    using a = await model.createContext(CONTEXT);
    using b = await model.createContext({ ...CONTEXT, ubatch: 3 });
    await a.decode({ tokens: TOKENS.slice(0, 10), logits: "none" });
    const saved = await a.save();
    const stop = new AbortController();
    const long = b.decode({ tokens: TOKENS, logits: "none" }, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(long).rejects.toThrow("enough");
    await b.load(saved);
    const [here] = await a.decode({ tokens: TOKENS.slice(10, 13) });
    const [there] = await b.decode({ tokens: TOKENS.slice(10, 13) });
    expect(there).toEqual(here);
  });

  it("is timed bank by bank", async () => {
    using model = await inBanks(models.qwen3next);
    using context = await model.createContext({ ...CONTEXT, profile: true });
    await context.decode({ tokens: TOKENS.slice(0, 4) });
    const { runs } = await context.profile();
    expect(runs[0]!.timelines.map(({ backend }) => backend)).toEqual(["wasm", "wasm:1", "wasm:2"]);
  });

  it("says what is wanted and what can be had where a layer or a model is too large", async () => {
    const tooSmall = inBanks(models.qwen3next, 1 / 30);
    await expect(tooSmall).rejects.toBeInstanceOf(OutOfMemoryError);
    await expect(tooSmall).rejects.toThrow(/takes .* MiB of CPU memory, one WebAssembly memory has room for .* MiB/);
    const deep = await tinyModel({ architecture: "qwen3next", layers: 2 * LAYERS });
    await expect(inBanks(deep, 1 / 9)).rejects.toThrow(/MiB of CPU memory are wanted, 7 WebAssembly memories have room for/);
  });
});
