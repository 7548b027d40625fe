import { afterAll, describe, expect, it, vi } from "vitest";
import type { Backend } from "../../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../../ts/backends/reference/reference.ts";
import { WasmBackend } from "../../../ts/backends/wasm/wasm.ts";
import { generate } from "../../../ts/engine/generate.ts";
import { loadModel } from "../../../ts/engine/model.ts";
import { Sampler, type SamplerOptions } from "../../../ts/engine/sampler.ts";
import { type TopLogits, TopReader } from "../../../ts/engine/top-logits.ts";
import { Graph } from "../../../ts/graph/graph.ts";
import { topK } from "../../../ts/graph/ops/index.ts";
import { random } from "../../conformance/weights.ts";
import { tinyModel } from "../../models/tiny.ts";
import { testBackend } from "../adapter.ts";

const gpu = await testBackend();
const cpu = await WasmBackend.create({ build: "simd", threads: 1 });
afterAll(() => [gpu, cpu].forEach((one) => void one?.close()));
const reference = new ReferenceBackend();

/** Logits of few different values, so that many are equal. */
function tied(V: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: V }, () => Math.floor(next() * 1000) / 50);
}

async function topOf(backend: Backend, rows: readonly Float32Array[]): Promise<TopLogits[]> {
  const V = rows[0]!.length;
  const buffer = backend.alloc(4 * V * rows.length);
  rows.forEach((row, o) => void backend.write(buffer, 4 * V * o, new Uint8Array(row.buffer)));
  const reader = await TopReader.create(backend, { buffer, offset: 0 }, rows.length, V);
  const top = await reader.read(rows.length);
  reader.dispose();
  backend.free(buffer);
  return top;
}

describe.each([["wasm", cpu] as const, ...(gpu ? [["webgpu", gpu] as const] : [])])("the largest logits on %s", (_, backend) => {
  it.each([
    ["equal ones, as many as Qwen3.5 has", [tied(248_320, 1)]],
    ["equal ones alone", [new Float32Array(1500).fill(2), new Float32Array(1500)]],
    ["NaN among them", [tied(3000, 2).fill(Number.NaN, 1999, 2001), tied(3000, 3)]],
    ["infinite ones", [tied(1030, 4).fill(-Infinity, 3).fill(Infinity, 1028)]],
    ["fewer than are kept", [tied(50, 5)]],
  ])("are the reference's: %s", async (_, rows) => {
    expect(await topOf(backend, rows)).toEqual(await topOf(reference, rows));
  });
});

it("more than there are is refused", () => {
  const logits = new Graph().input("logits", "F32", ["O", 5]);
  expect(() => topK({ logits }, { k: 6 }, "top")).toThrow(/k = 6 must be 1 to V = 5/);
});

describe("the sampler", () => {
  it.each<SamplerOptions>([
    {},
    { topK: 64, topP: 1, minP: 0, temperature: 2 },
    { topK: 1 },
    { temperature: 0 },
    { temperature: 0, logitBias: { 5: -Infinity, 6: -3 } },
    { typicalP: 0.7, topP: 0.5, temperature: 1.3 },
  ])("draws the same tokens from the largest logits as from all: %j", async (options) => {
    const V = 8192;
    const whole = new Sampler({ seed: 7, ...options }, V);
    const part = whole.clone();
    expect(part.topOnly).toBe(true);
    const rows = [...Array.from({ length: 20 }, (_, i) => tied(V, i + 1)), tied(V, 30).fill(-Infinity, 5)];
    const top = await topOf(cpu, rows);
    expect(rows.map((_, i) => part.sample(top[i]!))).toEqual(rows.map((row) => whole.sample(row)));
  });

  it.each<SamplerOptions>([
    { topK: 0 },
    { topK: 65 },
    { logitBias: { 3: 1 } },
    { temperature: 0, logitBias: Object.fromEntries(Array.from({ length: 64 }, (_, token) => [token, -1])) },
    { topK: 60, logitBias: { 3: -1, 4: -1, 5: -1, 6: -1, 7: -Infinity } },
    { repeatPenalty: 1.1 },
    { presencePenalty: 0.5 },
  ])("needs all logits: %j", (options) => void expect(new Sampler(options, 8192).topOnly).toBe(false));

  it("refuses NaN", async () => {
    const [top] = await topOf(cpu, [tied(300, 1).fill(Number.NaN, 77, 78)]);
    expect(() => new Sampler({}, 300).sample(top!)).toThrow("logits hold NaN at token 77");
  });
});

describe.skipIf(!gpu)("a model on the GPU", () => {
  it("generates with its largest logits what it does with all, and greedily with nothing read back what it does when read", async () => {
    const bytes = await tinyModel({ architecture: "qwen3next", vocab: 8192, layers: 1, seed: 5 });
    using model = await loadModel(bytes, { threads: 1, gpuLayers: 99 });
    using context = await model.createContext({ contextLength: 64, ubatch: 8, cacheTypeK: "f32", cacheTypeV: "f32" });
    const decodeTop = vi.spyOn(context, "decodeTop");
    const made = async (options: SamplerOptions) => {
      await context.clear();
      const tokens: number[] = [];
      for await (const { token } of generate(context, model.tokenizer, [1, 2, 3, 4], { ...options, maxTokens: 12 })) tokens.push(token);
      return tokens;
    };
    const sampled = { seed: 3, temperature: 1.5, topP: 1, minP: 0 };
    const fromTop = await made(sampled);
    expect(decodeTop.mock.calls.length).toBe(fromTop.length);
    vi.spyOn(context, "logitsOnGpu", "get").mockReturnValue(false);
    expect(await made(sampled)).toEqual(fromTop);
    expect(decodeTop.mock.calls.length).toBe(fromTop.length);

    const [first, ...rest] = await made({ temperature: 0 });
    expect(rest.length).toBeGreaterThan(3);
    await context.clear();
    await context.decode({ tokens: [1, 2, 3, 4], logits: "none" });
    expect(await context.greedyUnread(first!, rest.length)).toBe(rest.at(-1));
  });
});
