import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../ts/engine/model.ts";
import { GgufError, TandemError, UnsupportedFormatError, UnsupportedModelError } from "../../ts/errors.ts";
import { field } from "../../ts/io/gguf-writer.ts";
import type { GgufField } from "../../ts/io/metadata.ts";
import { assemble, type Parts, type TinyOptions, takeApart, tinyModel } from "./tiny.ts";

type Architecture = TinyOptions["architecture"];
const variants: TinyOptions[] = [
  { architecture: "qwen3next" },
  { architecture: "qwen3next", layout: "packed" },
  { architecture: "qwen35" },
  { architecture: "qwen35moe" },
  { architecture: "qwen35moe", fusedExperts: true },
];

/** Generous on a busy machine, and far below what walking a hostile count would take. */
const BOUND_MS = 2000;

/** What loading throws; the time it takes is bounded. */
async function refusal(parts: Parts): Promise<Error> {
  const bytes = assemble(parts);
  const start = performance.now();
  const error = await loadModel(bytes, { threads: 1 }).then(
    (model) => {
      model.dispose();
      return new Error("it loaded");
    },
    (reason: Error) => reason,
  );
  expect(performance.now() - start).toBeLessThan(BOUND_MS);
  return error;
}

async function loadsAndRuns(options: TinyOptions): Promise<void> {
  using model = await loadModel(await tinyModel(options), { threads: 1 });
  using context = await model.createContext({ contextLength: 8 });
  const [logits] = await context.decode({ tokens: [1, 2, 3] });
  expect(logits!.every(Number.isFinite)).toBe(true);
}

describe.each(variants)("$architecture $layout fused $fusedExperts", (options) => {
  let sound: Parts;
  beforeAll(async () => {
    sound = await takeApart(await tinyModel({ ...options, layers: 4 }));
  });
  afterAll(() => loadsAndRuns(options)); // whatever was refused before

  // One delta net layer and the layer of attention; the head and the shared expert's gate may be absent.
  const required = (name: string) => /^(blk\.[03]\.|token_embd|output_norm)/.test(name) && !name.includes("ffn_gate_inp_shexp");
  const without = (name: string): Parts => ({ ...sound, tensors: new Map([...sound.tensors].filter(([key]) => key !== name)) });

  it("names every tensor that is missing", async () => {
    for (const name of [...sound.tensors.keys()].filter(required)) {
      const error = await refusal(without(name));
      expect(error, name).toBeInstanceOf(UnsupportedModelError);
      // A file may pack a layer's tensors in several ways: the message names the one that is looked for last.
      const [block] = name.split(".").slice(0, 2).join(".").split(".weight");
      expect(error.message, name).toContain(`tensor "${block}.`);
      expect(error.message, name).toMatch(/ is missing: the file (is incomplete|holds no language model)/);
    }
  });

  it("names every tensor of a wrong shape", async () => {
    for (const [name, tensor] of sound.tensors) {
      if (!/^blk\.[03]\.|^output/.test(name)) continue;
      const shape = [...tensor.shape.slice(0, -1), tensor.shape.at(-1)! + 32]; // whole blocks
      const data = new Uint8Array(shape.reduce((a, b) => a * b, 4));
      const error = await refusal({ ...sound, tensors: new Map([...sound.tensors, [name, { ...tensor, shape, data }]]) });
      expect(error, name).toBeInstanceOf(GgufError);
      expect(error.message).toContain(`tensor "${name}" must have shape`);
      expect(error.message).toMatch(/got \[[\d, ]+\]: the file is damaged or mislabelled/);
    }
  });

  it("names a tensor whose format has no kernel", async () => {
    const name = "blk.3.attn_k.weight";
    const tensor = sound.tensors.get(name)!;
    const data = tensor.data.slice(0, tensor.data.length / 4);
    const error = await refusal({ ...sound, tensors: new Map([...sound.tensors, [name, { ...tensor, type: 24, data }]]) });
    expect(error).toBeInstanceOf(UnsupportedFormatError);
    expect(error.message).toContain(`tensor "${name}" has format I8, supported are F32`);
  });
});

const strings = (...values: string[]): GgufField => field.strings(values);
const remove = undefined;

/** [key without its architecture, value, what the message says] */
type Row = readonly [key: string, value: GgufField | undefined, says: RegExp];

const common: Row[] = [
  ["block_count", field.u32(1_000_000), /block_count" must be at most 1024, got 1000000/],
  ["block_count", field.u32(0), /block_count" must be/],
  ["block_count", field.u32(1024), /tensor "blk\.4\.\w+\.weight" \[[\d, ]+\] is missing/],
  ["block_count", remove, /block_count": wanted a whole number.*the key is absent/],
  ["embedding_length", field.u32(2 ** 31), /embedding_length" must be 1 to 16777216, got 2147483648/],
  ["embedding_length", field.u32(2 ** 24), /tensor "token_embd\.weight" must have shape/],
  ["embedding_length", field.u64(2n ** 63n), /embedding_length": wanted a whole number/],
  ["embedding_length", field.string("64"), /embedding_length": wanted a whole number/],
  ["context_length", field.u32(0), /context_length" must be/],
  ["attention.head_count", field.u32(0), /head_count" must be at least 1, got 0/],
  ["attention.head_count", field.u32(5), /head_count_kv" must be a divisor of head_count = 5, got|shape/],
  ["attention.head_count_kv", field.u32(3), /head_count_kv" must be a divisor of head_count = 4, got 3/],
  ["attention.head_count_kv", { type: "array of i32", value: Int32Array.of(0, 0, 0, 2, 4) }, /the same for every attention layer/],
  ["attention.key_length", field.u32(31), /must/],
  ["attention.value_length", field.u32(128), /value_length" must be key_length/],
  ["attention.layer_norm_rms_epsilon", remove, /layer_norm_rms_epsilon": wanted a number/],
  ["ssm.time_step_rank", field.u32(7), /time_step_rank" must be a multiple of ssm\.group_count = \d, got 7/],
  ["ssm.time_step_rank", field.u32(0), /time_step_rank" must be/],
  ["ssm.inner_size", field.u32(97), /inner_size" must be a multiple of ssm\.time_step_rank/],
  ["ssm.state_size", field.u32(0), /state_size" must be/],
  ["ssm.state_size", field.u32(2 ** 24), /must have shape/],
  ["ssm.conv_kernel", field.u32(5), /ssm_conv1d\.weight" must have shape/],
  ["ssm.conv_kernel", field.u32(2 ** 31), /conv_kernel" must be/],
  ["rope.dimension_count", field.u32(7), /dimension_count" must be even/],
  ["rope.dimension_count", field.u32(0), /dimension_count" must be even/],
  ["rope.dimension_count", field.u32(4096), /dimension_count" must be even, 2 to key_length/],
  ["rope.freq_base", field.f32(-1), /freq_base" must be above 0/],
  ["rope.freq_base", field.f32(Number.NaN), /freq_base" must be above 0/],
  ["rope.scaling.type", field.string("yarn"), /scaling\.type" must be none or linear, got yarn/],
  ["rope.dimension_sections", { type: "array of i32", value: Int32Array.of(3, 3, 2) }, /dimension_sections" must be 4 numbers, got 3/],
  ["rope.dimension_sections", strings("3", "3", "2", "0"), /dimension_sections": wanted an array of numbers/],
  ["full_attention_interval", field.u32(0), /full_attention_interval" must be at least 1/],
  ["full_attention_interval", field.u32(2), /tensor "blk\.1\.(attn_qkv|attn_q)\.weight".*(must have shape|is missing)/],
  ["attention.recurrent_layers", { type: "array of bool", value: [true, true] }, /recurrent_layers" must be 4 entries, got 2/],
  ["nextn_predict_layers", field.u32(4), /nextn_predict_layers" must be less than block_count = 4, got 4/],
];

const experts: Row[] = [
  ["expert_used_count", field.u32(9), /expert_used_count" must be at most expert_count = 8, got 9/],
  ["expert_used_count", field.u32(0), /expert_used_count" must be/],
  ["expert_used_count", remove, /expert_used_count": wanted a whole number/],
  ["expert_count", field.u32(16), /must have shape/],
  ["expert_count", field.u32(1), /expert_used_count" must be at most expert_count = 1/],
  ["expert_feed_forward_length", field.u32(0), /expert_feed_forward_length" must be/],
  ["expert_feed_forward_length", field.u32(2 ** 24), /must have shape/],
  ["expert_shared_feed_forward_length", field.u32(33), /must have shape/],
];

const tables: [TinyOptions, Row[]][] = [
  [{ architecture: "qwen3next" }, [...common, ...experts]],
  [{ architecture: "qwen3next", layout: "packed" }, [...common, ...experts]],
  [{ architecture: "qwen35" }, [...common, ["feed_forward_length", remove, /feed_forward_length": wanted a whole number/]]],
  [{ architecture: "qwen35moe", fusedExperts: true }, [...common, ...experts]],
];

/** Counts that lists of row ranges are made from, and numbers that would only show in the logits. */
const hostile: Row[] = [
  ["attention.head_count", field.u32(2 ** 24), /must/],
  ["attention.head_count", field.u32(2 ** 31), /must/],
  ["ssm.group_count", field.u32(2 ** 24), /must/],
  ["expert_count", field.u32(2 ** 31), /must/],
  ["expert_count", field.u64(2 ** 52), /must/],
  ["attention.layer_norm_rms_epsilon", field.f32(Number.NaN), /layer_norm_rms_epsilon" must/],
  ["attention.layer_norm_rms_epsilon", field.f32(-1), /layer_norm_rms_epsilon" must/],
  ["rope.freq_base", field.f32(Number.POSITIVE_INFINITY), /freq_base" must/],
  ["rope.dimension_sections", field.i32s([0, 0, 0, 0]), /dimension_sections" must/],
  ["rope.dimension_sections", field.i32s([3, -3, 2, 6]), /dimension_sections" must/],
];

describe.each(tables)("keys of %o", (options, table) => {
  let sound: Parts;
  beforeAll(async () => {
    sound = await takeApart(await tinyModel(options));
  });
  afterAll(() => loadsAndRuns(options));

  async function expectRefusal([key, value, says]: Row): Promise<void> {
    const full = `${options.architecture satisfies Architecture}.${key}`;
    const metadata = new Map(sound.metadata);
    if (value) metadata.set(full, value);
    else metadata.delete(full);
    const error = await refusal({ ...sound, metadata });
    expect(error).toBeInstanceOf(TandemError);
    expect(error.message).toMatch(says);
    expect(error.message.length).toBeLessThan(600);
  }

  it.each(table)("%s = %o", (...row) => expectRefusal(row));
  it.each(hostile)("%s = %o, in bounded time and memory", (...row) => expectRefusal(row));
});

describe("files that are no model of the family", () => {
  const withKey = async (key: string, value: GgufField): Promise<Error> => {
    const parts = await takeApart(await tinyModel({ architecture: "qwen35" }));
    return refusal({ ...parts, metadata: new Map([...parts.metadata, [key, value]]) });
  };

  it("names another architecture, and those that run", async () => {
    const error = await withKey("general.architecture", field.string("llama"));
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect(error.message).toMatch(/architecture "llama" is not one of qwen3next, qwen35, qwen35moe: use a model of the Qwen3-Next family/);
  });

  it("names an architecture of the family that the keys do not fit", async () => {
    expect(await withKey("general.architecture", field.string("qwen3next"))).toBeInstanceOf(GgufError);
  });

  it("says so when there are more tokens than embeddings", async () => {
    const parts = await takeApart(await tinyModel({ architecture: "qwen35" }));
    const larger = await takeApart(await tinyModel({ architecture: "qwen35", vocab: 301 }));
    const metadata = new Map(parts.metadata);
    for (const [key, value] of larger.metadata) if (key.startsWith("tokenizer.")) metadata.set(key, value);
    const error = await refusal({ ...parts, metadata });
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect(error.message).toMatch(/301 tokens but only 300 embeddings/);
  });

  it("loads what it may: fewer tokens than embeddings, no head, no shared expert, unknown tensors", async () => {
    const parts = await takeApart(await tinyModel({ architecture: "qwen35moe" }));
    for (const name of [...parts.tensors.keys()]) if (/^output\.|_shexp/.test(name)) parts.tensors.delete(name);
    parts.tensors.set("rope_factors", { name: "rope_factors", type: 0, shape: [4], data: new Uint8Array(16) });
    using model = await loadModel(assemble(parts), { threads: 1 });
    expect(model.notes).toEqual(["1 tensor(s) not used: rope_factors"]);
    using context = await model.createContext({ contextLength: 8 });
    expect((await context.decode({ tokens: [1, 2, 3] }))[0]!.every(Number.isFinite)).toBe(true);
  });
});
