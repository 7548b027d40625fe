import { describe, expect, it } from "vitest";
import { examine } from "../../ts/engine/examine.ts";
import { generate } from "../../ts/engine/generate.ts";
import { loadModel } from "../../ts/engine/model.ts";
import { Random } from "../../ts/engine/samplers/random.ts";
import { InvalidArgumentError } from "../../ts/errors.ts";
import { formatByName, formats } from "../../ts/graph/formats.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { randomBlocks } from "../../ts/synth/blocks.ts";
import { type PresetName, presets, quants, type SynthOptions, synthesize, synthSize, tensorPlan } from "../../ts/synth/index.ts";
import { collect } from "../models/tiny.ts";
import { headerOnly } from "./header.ts";

const names = Object.keys(presets) as PresetName[];
const whole = (options: SynthOptions) => collect((write) => synthesize(options, write));
const rms = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

describe("presets", () => {
  // Parameters as published, in G: what Hugging Face and the files' own cards say.
  const published: Partial<Record<PresetName, number>> = {
    ...{ "qwen35-0.8b": 0.758, "qwen35-2b": 1.89, "qwen35-9b": 8.96, "qwen35moe-35b-a3b": 34.7, "qwen3next-80b-a3b": 79.7 },
  };

  it.each(names)("%s has the model's parameters, and every tensor that its architecture looks for", async (preset) => {
    const want = published[preset];
    if (want) expect(Math.abs(synthSize({ preset }).parameters / 1e9 / want - 1)).toBeLessThan(0.01);
    const { config, graph } = examine(await headerOnly({ preset }));
    const { L, E, V, H, G, D, X, U, Hk, Hv, Dk, Dv } = presets[preset];
    expect(config).toMatchObject({ L, E, V, H, G, D, X, U, Hk, Hv, Dk, Dv });
    expect(graph.layers.filter(({ kind }) => kind === "attention")).toHaveLength(L / 4);
  });

  it("counts tensors as real files do", () => {
    // The split and the packed layout of 80B files in circulation: 843 and 807 tensors (llama.cpp #16095, ik_llama.cpp #1251).
    expect(tensorPlan({ preset: "qwen3next-80b-a3b" })).toHaveLength(843);
    expect(tensorPlan({ preset: "qwen3next-80b-a3b", layout: "packed" })).toHaveLength(807);
  });

  it("mixes formats as Q4_K_M does", () => {
    const format = new Map(tensorPlan({ preset: "qwen35-9b" }).map((tensor) => [tensor.name, tensor.format]));
    expect(format.get("output.weight")).toBe("Q6_K");
    expect(format.get("token_embd.weight")).toBe("Q4_K");
    expect(format.get("blk.0.attn_qkv.weight")).toBe("Q5_K");
    expect(format.get("blk.0.ffn_down.weight")).toBe("Q6_K");
    expect(format.get("blk.5.ffn_down.weight")).toBe("Q4_K");
    expect(format.get("blk.0.ssm_conv1d.weight")).toBe("F32");
    const down = [...format].filter(([name]) => name.endsWith("ffn_down.weight"));
    expect(down.filter(([, quant]) => quant === "Q6_K")).toHaveLength(16);
    expect(new Map(tensorPlan({ preset: "qwen35-2b" }).map((t) => [t.name, t.format])).get("token_embd.weight")).toBe("Q6_K"); // tied
  });
});

describe("synthesize", () => {
  it.each(quants)("tiny models in %s: the plan is the file", async (quant) => {
    for (const preset of ["tiny-qwen3next", "tiny-qwen35", "tiny-qwen35moe"] as const) {
      const options: SynthOptions = {
        preset,
        quant,
        layers: 4,
        mtp: preset !== "tiny-qwen3next",
        fusedExperts: preset === "tiny-qwen35moe",
      };
      const bytes = await whole(options);
      const file = await openGguf(bytes);
      const plan = tensorPlan(options).map(({ name, shape, format, bytes: size }) => [name, format, shape, size]);
      expect([...file.tensors.values()].map((t) => [t.name, t.typeName, t.shape, t.bytes])).toEqual(plan);
      expect(synthSize(options).bytes).toBe(bytes.length);
      expect(file.metadata.getString("general.name")).toContain("synthetic");
    }
  });

  it("cuts layers, experts and vocabulary", async () => {
    const file = await openGguf(await whole({ preset: "tiny-qwen35moe", layers: 5, experts: 1, vocab: 259 }));
    const { config } = examine(file);
    expect(config).toMatchObject({ L: 5, X: 1, U: 1, V: 259, recurrent: [true, true, true, false, true] });
  });

  it("writes the same bytes for the same seed, and others for another", async () => {
    const options: SynthOptions = { preset: "tiny-qwen3next", quant: "Q4_0" };
    const first = await whole({ ...options, seed: 1 });
    expect(await whole({ ...options, seed: 1 })).toEqual(first);
    const other = await whole({ ...options, seed: 2 });
    expect(other.length).toBe(first.length);
    expect(Buffer.compare(other, first)).not.toBe(0);
  });

  it("never repeats itself in a file smaller than its pools", async () => {
    const bytes = await whole({ preset: "tiny-qwen35", quant: "F32" });
    const file = await openGguf(bytes);
    const rows = new Set<string>();
    let count = 0;
    for (const { name, shape, offset, bytes: size } of file.tensors.values()) {
      if (shape.length < 2 || name.includes("conv1d")) continue;
      const K = shape.at(-1)! * 4;
      for (let at = offset; at < offset + size; at += K, count++) rows.add(Buffer.from(bytes.subarray(at, at + 64)).toString("hex"));
    }
    expect(rows.size).toBe(count);
  });

  it("writes in pieces, tells how far it is, and stops when asked to", async () => {
    const options: SynthOptions = { preset: "qwen35-0.8b", layers: 4, vocab: 20_000, quant: "Q8_0" };
    const total = synthSize(options).bytes;
    let written = 0;
    let last = 0;
    const controller = new AbortController();
    const onProgress = ({ writtenBytes, totalBytes }: { writtenBytes: number; totalBytes: number }) => {
      expect(writtenBytes).toBeGreaterThan(last);
      expect(totalBytes).toBe(total);
      last = writtenBytes;
      if (writtenBytes > total / 2) controller.abort(new Error("enough"));
    };
    const write = (bytes: Uint8Array) => {
      expect(bytes.length).toBeLessThanOrEqual(2 * 2 ** 20);
      written += bytes.length;
    };
    await expect(synthesize({ ...options, onProgress, signal: controller.signal }, write)).rejects.toThrow("enough");
    expect(written).toBe(last);
    expect(written).toBeLessThan(0.6 * total);
  });

  it("is fast", async () => {
    for (const quant of ["Q4_K_M", "Q8_0", "BF16"] as const) {
      const report = await synthesize({ preset: "qwen35-2b", layers: 4, quant }, () => {});
      console.log(`synthesize ${quant}: ${Math.round(report.bytes / report.seconds / 1e6)} MB/s without a disk`);
    }
  });

  it.each<[string, Partial<SynthOptions>, RegExp]>([
    ["preset", { preset: "gpt2" as PresetName }, /preset must be one of qwen35-0\.8b.*got gpt2/],
    ["quant", { quant: "Q3" as "Q3_K" }, /quant must be one of F32, .*Q4_K_M, got Q3/],
    ["layers", { layers: 0 }, /layers must be a whole number from 1 to 1024, got 0/],
    ["experts", { experts: 1.5 }, /experts must be a whole number/],
    ["experts of a dense model", { preset: "tiny-qwen35", experts: 4 }, /experts: tiny-qwen35 has no experts/],
    ["vocab", { vocab: 258 }, /vocab must be a whole number from 259/],
    ["seed", { seed: -1 }, /seed must be a whole number/],
    ["layout", { preset: "tiny-qwen35", layout: "packed" }, /layout packed exists in qwen3next only/],
    ["mtp", { preset: "tiny-qwen3next", mtp: true }, /qwen3next files have no multi-token-prediction layer/],
  ])("names a wrong %s", async (_, options, says) => {
    const run = synthesize({ preset: "tiny-qwen35moe", ...options }, () => {});
    await expect(run).rejects.toThrow(InvalidArgumentError);
    await expect(run).rejects.toThrow(says);
  });
});

describe("random blocks", () => {
  it.each(formats.map(({ name }) => name))("%s: mean 0 and the deviation asked for", (format) => {
    const { blockSize, dequantize } = formatByName(format);
    for (const std of [1, 1 / Math.sqrt(12288 * 64)]) {
      const blocks = 2 ** 18 / blockSize;
      const bytes = randomBlocks(format, std, blocks * formatByName(format).blockBytes, new Random(7));
      const values = new Float32Array(2 ** 18);
      dequantize(bytes, values);
      expect(rms(values) / std).toBeGreaterThan(0.93);
      expect(rms(values) / std).toBeLessThan(1.07);
      expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length / std)).toBeLessThan(0.02);
    }
  });
});

describe("a synthetic model", () => {
  it.each(["tiny-qwen3next", "tiny-qwen35", "tiny-qwen35moe"] as const)("%s talks", async (preset) => {
    using model = await loadModel(await whole({ preset }), { threads: 1 });
    const text = "Grüße, 世界 🌍!\n\ttab";
    expect(model.tokenizer.decode(model.tokenizer.encode(text))).toBe(text);
    const prompt = model.chatTemplate.render({ messages: [{ role: "user", content: "Hi" }] });
    expect(prompt).toBe("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    const ids = model.tokenizer.encode(prompt, { parseSpecial: true });
    expect(ids.filter((id) => model.tokenizer.isControl(id))).toHaveLength(3);
    using context = await model.createContext({ contextLength: 128 });
    let made = "";
    let count = 0;
    for await (const piece of generate(context, model.tokenizer, ids, { maxTokens: 20, seed: 1 })) {
      made += piece.text;
      count++;
    }
    expect(count).toBeGreaterThan(0);
    expect(made.length).toBeGreaterThan(0);
  });

  it.each(["tiny-qwen3next", "tiny-qwen35", "tiny-qwen35moe"] as const)("%s stays of order 1 through 64 layers", async (preset) => {
    using model = await loadModel(await whole({ preset, layers: 64, quant: "Q8_0" }), { threads: 1 });
    using context = await model.createContext({ contextLength: 64, keepResiduals: true });
    const rows = await context.decode({ tokens: Array.from({ length: 40 }, (_, i) => (i * 37) % 256), logits: "all" });
    for (const row of rows) {
      expect(rms(row)).toBeGreaterThan(0.3);
      expect(rms(row)).toBeLessThan(3);
    }
    for (let layer = 1; layer <= 64; layer++) {
      const size = rms(await context.readResidual(layer));
      expect(size).toBeGreaterThan(0.03);
      expect(size).toBeLessThan(3);
    }
  });
});
