import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { GgufError } from "../../ts/errors.ts";
import { GGML_TYPES } from "../../ts/io/ggml-types.ts";
import { type GgufFile, openGguf } from "../../ts/io/gguf.ts";
import { openSource } from "../../ts/io/open-source.ts";
import type { Source } from "../../ts/io/source.ts";
import { type Field, list, str, u32, writeGguf } from "./write-gguf.ts";

const MINI = fileURLToPath(new URL("../../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url));
const TINY = fileURLToPath(new URL("../data/qwen35-tiny-f16.gguf", import.meta.url));

/** Counts what is read through it. */
async function counted(path: string) {
  const inner = await openSource(path);
  const seen = { bytes: 0, reads: 0, lastByte: 0, source: {} as Source };
  seen.source = {
    name: inner.name,
    size: inner.size,
    read: (offset, bytes, options) => {
      seen.bytes += bytes;
      seen.reads++;
      seen.lastByte = Math.max(seen.lastByte, offset + bytes);
      return inner.read(offset, bytes, options);
    },
    close: () => inner.close(),
  };
  return seen;
}

function summary(file: GgufFile) {
  const fields = [...file.metadata.fields];
  const tensors = [...file.tensors.values()].map(({ source, ...rest }) => rest);
  return { version: file.version, alignment: file.alignment, dataBytes: file.dataBytes, headerBytes: file.headerBytes, fields, tensors };
}

describe("the qwen3next model", () => {
  test("has the metadata, tensors and sizes that its maker wrote", async () => {
    await using file = await openGguf(MINI);
    const { metadata, tensors } = file;
    expect([file.version, file.alignment, tensors.size, metadata.fields.size]).toEqual([3, 32, 143, 35]);
    expect(metadata.getString("general.architecture")).toBe("qwen3next");
    expect(metadata.getCount("qwen3next.block_count")).toBe(8);
    expect(metadata.getCount("qwen3next.expert_count")).toBe(16);
    expect(metadata.getNumber("qwen3next.rope.freq_base")).toBe(1_000_000);
    expect(metadata.getNumber("qwen3next.attention.layer_norm_rms_epsilon")).toBeCloseTo(1e-6, 12);
    expect(metadata.getBoolean("tokenizer.ggml.add_bos_token")).toBe(false);
    expect(metadata.getStrings("tokenizer.ggml.tokens")).toHaveLength(8192);
    expect(metadata.getStrings("tokenizer.ggml.tokens").slice(0, 3)).toEqual(["!", '"', "#"]);
    expect(metadata.getStrings("tokenizer.ggml.merges")).toHaveLength(7927);
    expect(metadata.getNumbers("tokenizer.ggml.token_type")).toBeInstanceOf(Int32Array);
    expect(metadata.getString("tokenizer.chat_template")).toContain("<|im_start|>");
    const embedding = tensors.get("token_embd.weight")!;
    expect(embedding).toMatchObject({ type: 12, typeName: "Q4_K", shape: [8192, 256], bytes: (8192 * 256 * 144) / 256, offset: 273_024 });
    expect(tensors.get("blk.0.ffn_gate_exps.weight")!.shape).toEqual([16, 256, 256]);
    expect(tensors.get("blk.0.ssm_conv1d.weight")!.shape).toEqual([1024, 4]);
    expect(tensors.get("blk.0.ssm_a")).toMatchObject({ typeName: "F32", shape: [4], bytes: 16 });
  });

  test("is opened without its tensor data", async () => {
    const seen = await counted(MINI);
    const file = await openGguf(seen.source);
    expect(seen.bytes).toBeLessThan(2 * file.headerBytes + 1024 * 1024);
    expect(seen.lastByte).toBe(seen.bytes); // front to back, nothing twice
    expect(seen.reads).toBeLessThan(5);
    await seen.source.close();
  });

  test("is the same from a Blob, from bytes and from shared bytes", async () => {
    const bytes = await readFile(MINI);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
    shared.set(bytes);
    await using file = await openGguf(MINI);
    for (const input of [new Blob([bytes]), new Uint8Array(bytes), shared]) {
      await using other = await openGguf(input);
      expect(summary(other)).toEqual(summary(file));
    }
  });
});

test("the qwen35 model has the metadata, tensors and data that its maker wrote", async () => {
  await using file = await openGguf(TINY);
  expect(file.metadata.getString("general.architecture")).toBe("qwen35");
  expect([file.tensors.size, file.metadata.fields.size]).toEqual([55, 30]);
  expect(file.metadata.getStrings("tokenizer.ggml.tokens")).toHaveLength(1024);
  expect([...file.metadata.getNumbers("qwen35.rope.dimension_sections")]).toEqual([3, 3, 2, 0]);
  expect(file.tensors.get("token_embd.weight")).toMatchObject({ typeName: "F16", shape: [1024, 256], offset: 21_920 });
  // The data is where the table says: every decay constant of the delta net is negative.
  const decay = file.tensors.get("blk.0.ssm_a")!;
  const values = new Float32Array((await decay.source.read(decay.offset, decay.bytes)).buffer);
  expect(values).toHaveLength(6);
  expect(values.every((value) => value < 0 && Number.isFinite(value))).toBe(true);
});

const everyType: [string, Field, unknown][] = [
  ["u8", { type: "u8", value: 255 }, 255],
  ["i8", { type: "i8", value: -128 }, -128],
  ["u16", { type: "u16", value: 65_535 }, 65_535],
  ["i16", { type: "i16", value: -32_768 }, -32_768],
  ["u32", { type: "u32", value: 4_294_967_295 }, 4_294_967_295],
  ["i32", { type: "i32", value: -2_147_483_648 }, -2_147_483_648],
  ["f32", { type: "f32", value: 0.5 }, 0.5],
  ["f64", { type: "f64", value: Math.PI }, Math.PI],
  ["true", { type: "bool", value: true }, true],
  ["false", { type: "bool", value: false }, false],
  ["u64 that is a safe integer", { type: "u64", value: 2 ** 53 - 1 }, 2 ** 53 - 1],
  ["u64 that is not", { type: "u64", value: 2n ** 64n - 1n }, 2n ** 64n - 1n],
  ["i64 that is a safe integer", { type: "i64", value: -5 }, -5],
  ["i64 that is not", { type: "i64", value: -(2n ** 63n) }, -(2n ** 63n)],
  ["string", str("żółw 🐢\u0000 end"), "żółw 🐢\u0000 end"],
  ["string that starts with a byte order mark", str("\uFEFFx"), "\uFEFFx"],
  ["empty string", str(""), ""],
  ["array of u8", list("u8", [1, 2]), new Uint8Array([1, 2])],
  ["array of i8", list("i8", [-1, 2]), new Int8Array([-1, 2])],
  ["array of u16", list("u16", [1, 65_535]), new Uint16Array([1, 65_535])],
  ["array of i16", list("i16", [-1, 2]), new Int16Array([-1, 2])],
  ["array of u32", list("u32", [1, 2 ** 31]), new Uint32Array([1, 2 ** 31])],
  ["array of i32", list("i32", [-1, 2]), new Int32Array([-1, 2])],
  ["array of f32", list("f32", [0.25, -8]), new Float32Array([0.25, -8])],
  ["array of f64", list("f64", [0.1, -8]), new Float64Array([0.1, -8])],
  ["array of bool", list("bool", [true, false, true]), [true, false, true]],
  ["array of string", list("string", ["a", "", "ß"]), ["a", "", "ß"]],
  ["array of safe u64", list("u64", [1, 2 ** 40]), new Float64Array([1, 2 ** 40])],
  ["array of large u64", list("u64", [1, 2n ** 60n]), new BigUint64Array([1n, 2n ** 60n])],
  ["array of large i64", list("i64", [1, -(2n ** 60n)]), new BigInt64Array([1n, -(2n ** 60n)])],
  ["empty array", list("f32", []), new Float32Array(0)],
  ["empty array of string", list("string", []), []],
  [
    "array of arrays",
    { type: "array", of: "array", value: [list("u8", [1]), { type: "array", of: "array", value: [list("string", ["x"])] }] },
    [new Uint8Array([1]), [["x"]]],
  ],
];

describe.each([2, 3] as const)("version %d", (version) => {
  test.each(everyType)("keeps a value: %s", async (name, field, wanted) => {
    // Other keys around it: a value read too short or too long would be seen by its neighbour.
    const metadata = [
      ["before", u32(7)],
      [name, field],
      ["after", str("end")],
    ] as const;
    await using file = await openGguf(writeGguf({ version, metadata, tensors: [] }));
    expect(file.version).toBe(version);
    expect(file.metadata.get(name)).toEqual(wanted);
    expect(file.metadata.get("before")).toBe(7);
    expect(file.metadata.get("after")).toBe("end");
  });

  test.each([undefined, 8, 32, 64, 4096])("finds tensors at alignment %s", async (alignment) => {
    const data = [new Uint8Array(3 * 5 * 4).fill(1), new Uint8Array(2 * 34).fill(2), new Uint8Array(7 * 2).fill(3)];
    const tensors = [
      { name: "a", type: 0, shape: [3, 5], data: data[0]! },
      { name: "b", type: 8, shape: [2, 1, 32], data: data[1]! },
      { name: "c", type: 1, shape: [7], data: data[2]! },
    ];
    await using file = await openGguf(writeGguf({ version, metadata: [["x", str("yz")]], tensors, alignment }));
    expect(file.alignment).toBe(alignment ?? 32);
    expect(file.dataBytes).toBe(60 + 68 + 14);
    expect([...file.tensors.keys()]).toEqual(["a", "b", "c"]);
    for (const [i, wanted] of tensors.entries()) {
      const tensor = file.tensors.get(wanted.name)!;
      expect(tensor.shape).toEqual(wanted.shape);
      expect(tensor.offset % file.alignment).toBe(0);
      expect(await tensor.source.read(tensor.offset, tensor.bytes)).toEqual(data[i]);
    }
  });
});

test("every known ggml type is accepted and has the size of its blocks", async () => {
  const tensors = [...GGML_TYPES.values()].map(({ id, name, blockSize, blockBytes }) => {
    return { name, type: id, shape: [3, blockSize * 2], data: new Uint8Array(3 * 2 * blockBytes) };
  });
  await using file = await openGguf(writeGguf({ metadata: [], tensors }));
  for (const { name, data } of tensors) expect(file.tensors.get(name)).toMatchObject({ typeName: name, bytes: data.byteLength });
});

test("a header longer than the first block is read to its end, in few reads", async () => {
  const words = Array.from({ length: 60_000 }, (_, i) => `token ${i}`);
  const metadata = [
    ["words", list("string", words)],
    ["numbers", list("f64", Array(40_000).fill(1.5))],
    ["last", u32(9)],
  ] as const;
  const bytes = writeGguf({ metadata, tensors: [{ name: "t", type: 0, shape: [1], data: new Uint8Array(4) }] });
  let reads = 0;
  const source: Source = {
    name: "long",
    size: bytes.byteLength,
    read: async (offset, count) => {
      reads++;
      return bytes.slice(offset, offset + count);
    },
    close: async () => {},
  };
  const file = await openGguf(source);
  expect(file.metadata.getStrings("words")).toEqual(words);
  expect(file.metadata.getNumbers("numbers")).toHaveLength(40_000);
  expect(file.metadata.getCount("last")).toBe(9);
  expect(reads).toBeLessThan(6);
});

test("bytes of a string value that are no UTF-8 do not stop a model from loading", async () => {
  const bytes = writeGguf({ metadata: [["general.description", str("caf??")]], tensors: [] });
  bytes.fill(0xe9, bytes.length - 2);
  await using file = await openGguf(bytes);
  expect(file.metadata.getString("general.description")).toBe("caf\uFFFD\uFFFD");
});

describe("metadata getters", () => {
  const metadata = [
    ["count", u32(3)],
    ["negative", { type: "i32", value: -1 }],
    ["half", { type: "f32", value: 0.5 }],
    ["big", { type: "u64", value: 2n ** 60n }],
    ["text", str("hello")],
    ["flag", { type: "bool", value: true }],
    ["floats", list("f32", [1, 2])],
    ["names", list("string", [])],
    ["flags", list("bool", [true])],
  ] as const;
  const open = async () => (await openGguf(new File([writeGguf({ metadata, tensors: [] })], "m.gguf"))).metadata;

  test("give what is there, and undefined for what is not when it is optional", async () => {
    const m = await open();
    expect([m.getNumber("negative"), m.getCount("count"), m.getString("text"), m.getBoolean("flag")]).toEqual([-1, 3, "hello", true]);
    expect([m.getNumbers("floats"), m.getStrings("names"), m.getBooleans("flags")]).toEqual([new Float32Array([1, 2]), [], [true]]);
    expect(m.optionalNumber("none") ?? 4).toBe(4);
    for (const value of [m.optionalCount("none"), m.optionalString("none"), m.optionalBoolean("none")]) expect(value).toBeUndefined();
    for (const value of [m.optionalNumbers("none"), m.optionalStrings("none"), m.optionalBooleans("none")]) expect(value).toBeUndefined();
    expect([m.has("count"), m.has("none"), m.get("none"), m.fields.get("floats")?.type]).toEqual([true, false, undefined, "array of f32"]);
  });

  test.each([
    ["getNumber", "none", /m\.gguf: key "none": wanted a number, got nothing, the key is absent/],
    ["getNumber", "text", /key "text": wanted a number, got string "hello"/],
    ["getNumber", "big", /wanted a number, got u64 1152921504606846976/],
    ["optionalNumber", "flag", /wanted a number, got bool true/],
    ["getCount", "negative", /wanted a whole number >= 0, got i32 -1/],
    ["getCount", "half", /wanted a whole number >= 0, got f32 0\.5/],
    ["getString", "count", /wanted a string, got u32 3/],
    ["getBoolean", "count", /wanted a boolean, got u32 3/],
    ["getNumbers", "count", /wanted an array of numbers, got u32 3/],
    ["getNumbers", "names", /wanted an array of numbers, got array of string, 0 long/],
    ["getStrings", "floats", /wanted an array of strings, got array of f32, 2 long/],
    ["getStrings", "flags", /wanted an array of strings, got array of bool/],
    ["optionalBooleans", "names", /wanted an array of booleans, got array of string/],
  ] as const)("%s of %s names key, wanted and got", async (getter, key, message) => {
    const m = await open();
    expect(() => m[getter](key)).toThrow(GgufError);
    expect(() => m[getter](key)).toThrow(message);
  });
});

test("opening stops when told to, and a Source of the caller's own stays open", async () => {
  const reason = new Error("enough");
  await expect(openGguf(MINI, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const source = await openSource(TINY);
  await (await openGguf(source)).close();
  expect((await source.read(0, 4)).byteLength).toBe(4);
  await source.close();
});
