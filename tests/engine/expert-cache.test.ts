import { describe, expect, it } from "vitest";
import { type LoadOptions, loadModel, type Model } from "../../ts/engine/model.ts";
import { DisposedError, GgufError, InvalidArgumentError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { memorySource } from "../../ts/io/memory-source.ts";
import type { Source } from "../../ts/io/source.ts";
import { tinyModel } from "../models/tiny.ts";

const CONTEXT = { contextLength: 64, sequences: 2, ubatch: 12, cacheTypeK: "f32", cacheTypeV: "f32" } as const;
const TOKENS = Array.from({ length: 30 }, (_, i) => (i * 89 + 7) % 300);
const X = 8;

const models = {
  qwen3next: await tinyModel({ architecture: "qwen3next", seed: 21 }),
  "qwen35moe, gate and up fused, Q4_0": await tinyModel({ architecture: "qwen35moe", seed: 22, quant: "Q4_0", fusedExperts: true }),
};

/** Bytes of one expert: its gate, up and down. */
async function expertBytes(bytes: Uint8Array): Promise<number> {
  const { tensors } = await openGguf(bytes);
  const parts = [...tensors.values()].filter(({ name }) => /^blk\.0\.ffn_.*_exps\./.test(name));
  return parts.reduce((sum, tensor) => sum + tensor.bytes, 0) / X;
}

const loadPaged = async (bytes: Uint8Array, slots: number, options: LoadOptions = {}): Promise<Model> =>
  loadModel(bytes, { threads: 2, expertCache: slots * (await expertBytes(bytes)), ...options });

/** Prefill with more experts at once than few slots hold, decoding, two sequences. */
async function story(model: Model): Promise<Float32Array[]> {
  using context = await model.createContext(CONTEXT);
  const rows = await context.decode({ tokens: TOKENS.slice(0, 20), logits: [0, 11, 19] });
  for (const token of TOKENS.slice(20, 24)) rows.push(...(await context.decode({ tokens: [token] })));
  rows.push(...(await context.decode([{ tokens: [5] }, { tokens: TOKENS.slice(3, 9), sequence: 1 }])));
  return rows;
}

describe.each(Object.entries(models))("%s with its experts in the file", (_, bytes) => {
  it.each([1, 3, 20])("gives the bits of all in memory, with room for %i", async (slots) => {
    using whole = await loadModel(bytes, { threads: 2 });
    using paged = await loadPaged(bytes, slots);
    expect(whole.expertStats).toBeUndefined();
    expect(await story(paged)).toEqual(await story(whole));
    const stats = paged.expertStats!;
    expect(stats).toMatchObject({ slots, experts: 4 * X });
    expect(stats.misses).toBeGreaterThan(0);
    expect(stats.readBytes).toBeGreaterThan(0);
    expect(paged.weightBytes).toBeLessThan(whole.weightBytes - 4 * (X - 1) * (await expertBytes(bytes)));
  });
});

const bytes = models.qwen3next;

describe("the cache of experts", () => {
  it("reads each expert once while all that are wanted fit, and counts", async () => {
    using model = await loadPaged(bytes, 4 * X - 1);
    using context = await model.createContext(CONTEXT);
    await context.decode({ tokens: [7] });
    const first = model.expertStats!;
    expect(first).toMatchObject({ hits: 0, misses: 4 * 2 }); // layers · experts used
    expect(first.readBytes).toBe(4 * 2 * (await expertBytes(bytes)));
    await context.clear();
    await context.decode({ tokens: [7] });
    expect(model.expertStats).toMatchObject({ hits: 4 * 2, misses: 4 * 2 });
  });

  it("loads everything where everything fits, and works beside banks", async () => {
    using fits = await loadPaged(bytes, 4 * X);
    expect(fits.expertStats).toBeUndefined();
    using banked = await loadPaged(bytes, 8, { bankBytes: 1_200_000, context: CONTEXT });
    expect(banked.device).toContain("memories");
    expect(await story(banked)).toEqual(await story(fits));
  });

  it("is shared by contexts that run at once, one of which is disposed meanwhile", async () => {
    using whole = await loadModel(bytes, { threads: 2 });
    using model = await loadModel(new Blob([bytes as BlobPart]), { threads: 2, expertCache: 2 * (await expertBytes(bytes)) });
    using doomed = await model.createContext(CONTEXT);
    const lost = doomed.decode({ tokens: TOKENS, logits: "none" });
    const both = Promise.all([story(model), story(model)]);
    await Promise.resolve();
    doomed.dispose();
    await expect(lost).rejects.toThrow(DisposedError);
    const one = await story(whole);
    expect(await both).toEqual([one, one]);
  });

  it("refuses a cache for nothing, and one that holds no expert", async () => {
    await expect(loadModel(bytes, { expertCache: 0 })).rejects.toThrow(InvalidArgumentError);
    using model = await loadModel(bytes, { expertCache: 1000 });
    await expect(model.createContext(CONTEXT)).rejects.toThrow(/expertCache: one expert takes/);
  });

  it("a read that fails in mid-run leaves a context that can go on from its checkpoint", async () => {
    const inner = memorySource(bytes);
    let failing = false;
    const source: Source = {
      name: inner.name,
      size: inner.size,
      async read(...args) {
        if (failing) throw new GgufError("the disk is gone");
        return inner.read(...args);
      },
      close: () => inner.close(),
    };
    using model = await loadModel(source, { threads: 1, expertCache: 3 * (await expertBytes(bytes)) });
    using context = await model.createContext(CONTEXT);
    await context.decode({ tokens: TOKENS.slice(0, 5), logits: "none" });
    await context.checkpoint();
    failing = true;
    await expect(context.decode({ tokens: TOKENS.slice(5, 8) })).rejects.toThrow("the disk is gone");
    failing = false;
    expect(context.length()).toBe(5);
    const [after] = await context.decode({ tokens: TOKENS.slice(5, 8) });
    using whole = await loadModel(bytes, { threads: 1 });
    using other = await whole.createContext(CONTEXT);
    await other.decode({ tokens: TOKENS.slice(0, 5), logits: "none" });
    expect([after]).toEqual(await other.decode({ tokens: TOKENS.slice(5, 8) }));
  });
});
