import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Context } from "../../ts/engine/context.ts";
import type { CacheType, ContextOptions } from "../../ts/engine/context-options.ts";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { ContextOverflowError, DisposedError, InvalidArgumentError, OutOfMemoryError, SessionError } from "../../ts/errors.ts";
import { embeddedModel, worst } from "../models/trained.ts";

let model: Model;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 2 });
});
afterAll(() => model.dispose());

const tokens = Array.from({ length: 96 }, (_, i) => (i * 2654435761) % 8000);
const open = (options: ContextOptions = {}) => model.createContext({ contextLength: 128, ...options });
/** Logits after each of `list`, straight through in a context of their own. */
async function straight(list: readonly number[], options: ContextOptions = {}): Promise<Float32Array[]> {
  using context = await open(options);
  return await context.decode({ tokens: list, logits: "all" });
}
/** A token's result does not depend on what runs beside it: the same bits. */
const same = (a: Float32Array, b: Float32Array) => expect(worst(a, b)).toBe(0);

describe("decoding", () => {
  it("prefill then single steps equals one run", async () => {
    const want = await straight(tokens);
    using context = await open();
    const [last] = await context.decode({ tokens: tokens.slice(0, 60) });
    same(last!, want[59]!);
    for (let t = 60; t < 70; t++) same((await context.decode({ tokens: [tokens[t]!] }))[0]!, want[t]!);
    expect(context.length()).toBe(70);
  });

  it.each<[CacheType, CacheType]>([
    ["f32", "f32"],
    ["f16", "f16"],
    ["q8_0", "q8_0"],
    ["q8_0", "f16"],
    ["f16", "q8_0"],
  ])("keys %s, values %s: any ubatch gives the same logits, near to those of f32", async (cacheTypeK, cacheTypeV) => {
    const types = { cacheTypeK, cacheTypeV };
    const [exact, want] = [await straight(tokens, { cacheTypeK: "f32", cacheTypeV: "f32" }), await straight(tokens, types)];
    // Rounding tips an expert choice here and there: the median tells of a wrong kernel.
    const apart = exact.map((row, t) => worst(row, want[t]!)).sort((a, b) => a - b);
    expect(apart[apart.length >> 1]).toBeLessThan(0.5);
    for (const ubatch of [1, 7, 64]) {
      const got = await straight(tokens, { ...types, ubatch });
      for (const t of [0, 6, 7, 63, 64, 95]) same(got[t]!, want[t]!);
    }
  });

  it("two interleaved sequences, and several in one batch, equal separate runs", async () => {
    const a = tokens.slice(0, 40);
    const b = tokens.slice(50, 80);
    const [wantA, wantB] = [await straight(a), await straight(b)];
    using context = await open({ sequences: 3, ubatch: 16 });
    const rows = await context.decode([
      { tokens: a.slice(0, 20), sequence: 2 },
      { tokens: b.slice(0, 13), sequence: 0 },
    ]);
    same(rows[0]!, wantA[19]!);
    same(rows[1]!, wantB[12]!);
    for (let i = 0; i < 10; i++) {
      const [nextA, nextB] = await context.decode([
        { tokens: [a[20 + i]!], sequence: 2 },
        { tokens: [b[13 + i]!], sequence: 0 },
      ]);
      same(nextA!, wantA[20 + i]!);
      same(nextB!, wantB[13 + i]!);
    }
    expect([context.length(2), context.length(0), context.length(1)]).toEqual([30, 23, 0]);
  });
});

describe("greedy", () => {
  it("yields what choosing the likeliest token by hand gives, until the sequence is full", async () => {
    using context = await open({ contextLength: 40 });
    const likeliest = (row: Float32Array) => row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    let [row] = await context.decode({ tokens: tokens.slice(0, 30) });
    const first = likeliest(row!);
    const want: number[] = [];
    for (let token = first; context.length() < 40; ) {
      [row] = await context.decode({ tokens: [token] });
      token = likeliest(row!);
      want.push(token);
    }
    await context.clear();
    await context.decode({ tokens: tokens.slice(0, 30), logits: "none" });
    const got: number[] = [];
    for await (const token of context.greedy(first)) got.push(token);
    expect(got).toEqual(want);
    expect(context.length()).toBe(40);
  });

  it("stands another decode in between", async () => {
    using context = await open({ sequences: 2 });
    await context.decode({ tokens: tokens.slice(0, 30), logits: "none" });
    const got: number[] = [];
    for await (const token of context.greedy(5)) {
      got.push(token);
      await context.decode({ tokens: [7], sequence: 1 });
      if (got.length === 8) break;
    }
    using other = await open();
    await other.decode({ tokens: tokens.slice(0, 30), logits: "none" });
    const want: number[] = [];
    for await (const token of other.greedy(5)) if (want.push(token) === 8) break;
    expect(got).toEqual(want);
  });
});

describe("memory", () => {
  it("rewinds to a checkpoint, and tells where it landed", async () => {
    const want = await straight(tokens);
    using context = await open();
    await context.decode({ tokens: tokens.slice(0, 30), logits: "none" });
    await context.checkpoint();
    await context.decode({ tokens: tokens.slice(30, 60), logits: "none" });
    await context.checkpoint();
    await context.decode({ tokens: tokens.slice(60), logits: "none" });
    expect(context.checkpoints()).toEqual([30, 60]);
    expect(await context.rewind(500)).toBe(96);
    expect(await context.rewind(70)).toBe(60);
    same((await context.decode({ tokens: tokens.slice(60, 65) }))[0]!, want[64]!);
    expect(await context.rewind(59)).toBe(30);
    expect(context.checkpoints()).toEqual([30]);
    same((await context.decode({ tokens: tokens.slice(30, 50) }))[0]!, want[49]!);
    expect(await context.rewind(29)).toBe(0);
    same((await context.decode({ tokens: tokens.slice(0, 10) }))[0]!, want[9]!);
  });

  it("keeps as many checkpoints as asked, the newest", async () => {
    using context = await open({ checkpoints: 2 });
    for (let i = 0; i < 4; i++) {
      await context.decode({ tokens: tokens.slice(i * 5, i * 5 + 5), logits: "none" });
      await context.checkpoint();
    }
    expect(context.checkpoints()).toEqual([15, 20]);
  });

  it("saves and loads, into another sequence and another context", async () => {
    const want = await straight(tokens);
    using context = await open({ sequences: 2 });
    await context.decode({ tokens: tokens.slice(0, 50), sequence: 1, logits: "none" });
    const saved = await context.save(1);
    using other = await open({ sequences: 3, contextLength: 64 });
    await other.load(saved, 2);
    expect(other.length(2)).toBe(50);
    same((await other.decode({ tokens: [tokens[50]!], sequence: 2 }))[0]!, want[50]!);
    await context.load(saved, 0);
    same((await context.decode({ tokens: tokens.slice(50, 55), sequence: 0 }))[0]!, want[54]!);
  });

  it("refuses saved state that is damaged, foreign or too long, and stays as it was", async () => {
    using context = await open();
    await context.decode({ tokens: tokens.slice(0, 20), logits: "none" });
    const saved = await context.save();
    for (const cut of [0, 3, 15, 40, saved.length - 1]) await expect(context.load(saved.slice(0, cut))).rejects.toThrow(SessionError);
    for (let i = 0; i < saved.length; i += Math.ceil(saved.length / 50)) {
      const damaged = saved.slice();
      damaged[i]! ^= 0x10;
      await expect(context.load(damaged), `byte ${i}`).rejects.toThrow(SessionError);
    }
    using other = await open({ cacheTypeK: "f32" });
    await expect(other.load(saved)).rejects.toThrow(/another model or to other KV cache types/);
    using short = await open({ contextLength: 8 });
    await expect(short.load(saved)).rejects.toThrow(/create a longer one/);
    expect(context.length()).toBe(20);
    same((await context.decode({ tokens: [tokens[20]!] }))[0]!, (await straight(tokens))[20]!);
  });
});

describe("bad input leaves the context usable", () => {
  async function stillWorks(context: Context): Promise<void> {
    await context.clear();
    same((await context.decode({ tokens: tokens.slice(0, 5) }))[0]!, (await straight(tokens.slice(0, 5)))[4]!);
  }

  it("a context overrun throws before anything is decoded", async () => {
    using context = await open();
    await context.decode({ tokens: tokens.slice(0, 90), logits: "none" });
    await expect(context.decode({ tokens: tokens.slice(0, 39) })).rejects.toThrow(ContextOverflowError);
    await expect(context.decode({ tokens: tokens.slice(0, 39) })).rejects.toThrow(
      "holds 90 of 128 tokens and cannot take 39 more: use a context of at least 129",
    );
    expect(context.length()).toBe(90);
    await stillWorks(context);
  });

  it("tokens, sequences and indices that do not exist", async () => {
    using context = await open({ sequences: 2 });
    for (const bad of [-1, 8192, 1.5, Number.NaN]) await expect(context.decode({ tokens: [1, bad] })).rejects.toThrow(InvalidArgumentError);
    await expect(context.decode({ tokens: [1], sequence: 2 })).rejects.toThrow("sequence must be 0 to 1, got 2");
    await expect(context.decode([{ tokens: [1] }, { tokens: [2] }])).rejects.toThrow("stands in two requests");
    await expect(context.decode({ tokens: [1, 2], logits: [1, 0] })).rejects.toThrow("rising indices from 0 to 1");
    await expect(context.decode({ tokens: [1, 2], logits: [2] })).rejects.toThrow(InvalidArgumentError);
    expect(() => context.length(5)).toThrow(InvalidArgumentError);
    expect(await context.decode({ tokens: [] })).toEqual([]);
    await stillWorks(context);
  });

  it("an abort in mid-prefill keeps whole ubatches", async () => {
    using context = await open({ ubatch: 8 });
    const abort = new AbortController();
    const running = context.decode({ tokens }, { signal: abort.signal });
    setImmediate(() => abort.abort(new Error("enough")));
    await expect(running).rejects.toThrow("enough");
    expect(context.length() % 8).toBe(0);
    expect(context.length()).toBeLessThan(96);
    await expect(context.decode({ tokens }, { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    await stillWorks(context);
  });

  it("options out of range name the option", async () => {
    await expect(open({ contextLength: 0 })).rejects.toThrow("contextLength must be a whole number from 1");
    await expect(open({ ubatch: 1.5 })).rejects.toThrow("ubatch must be");
    await expect(open({ cacheTypeK: "q4_0" as never })).rejects.toThrow("cacheTypeK must be f32, f16 or q8_0, got q4_0");
  });

  it("memory that cannot be had is given back, and the next context works", async () => {
    await expect(open({ contextLength: 2 ** 22, cacheTypeK: "f32" })).rejects.toThrow(OutOfMemoryError);
    using context = await open();
    await stillWorks(context);
  });

  it("a disposed context and model say so", async () => {
    const context = await open();
    context.dispose();
    context.dispose();
    await expect(context.decode({ tokens: [1] })).rejects.toThrow(DisposedError);
    const other = await loadModel(embeddedModel, { threads: 1 });
    const orphan = await other.createContext({ contextLength: 16 });
    other.dispose();
    await expect(orphan.decode({ tokens: [1] })).rejects.toThrow(DisposedError);
    await expect(other.createContext()).rejects.toThrow(DisposedError);
  });

  it("contexts leave nothing behind", async () => {
    const { device } = model;
    expect(device).toContain("2 threads");
    const contexts = await Promise.all(Array.from({ length: 4 }, () => open()));
    for (const context of contexts) context.dispose();
    for (let i = 0; i < 50; i++) (await open({ contextLength: 4096, sequences: 4 })).dispose(); // 50 x 34 MB of states would not fit twice
    using context = await open();
    await stillWorks(context);
  });
});
