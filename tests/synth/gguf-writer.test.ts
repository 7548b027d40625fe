import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { field, layoutGguf, type TensorEntry } from "../../ts/io/gguf-writer.ts";
import type { GgufField } from "../../ts/io/metadata.ts";

const fields: [string, GgufField][] = [
  ["a.u8", field.u8(255)],
  ["a.i8", { type: "i8", value: -128 }],
  ["a.u16", field.u16(65535)],
  ["a.i16", { type: "i16", value: -2 }],
  ["a.u32", field.u32(2 ** 32 - 1)],
  ["a.i32", field.i32(-(2 ** 31))],
  ["a.u64", field.u64(2n ** 64n - 1n)],
  ["a.i64", { type: "i64", value: -(2n ** 63n) }],
  ["a.f32", field.f32(-0.5)],
  ["a.f64", { type: "f64", value: Math.PI }],
  ["a.bool", field.bool(true)],
  ["a.string", field.string("schön 😀")],
  ["a.empty", field.string("")],
  ["b.strings", field.strings(["", "ü", "x".repeat(70_000)])],
  ["b.none", field.strings([])],
  ["b.i32s", field.i32s([-1, 2])],
  ["b.bools", { type: "array of bool", value: [true, false] }],
  ["b.f32s", { type: "array of f32", value: Float32Array.of(1, 2.5) }],
  ["b.u64s", { type: "array of u64", value: BigUint64Array.of(1n, 2n ** 64n - 1n) }],
  ["b.i64s", { type: "array of i64", value: Float64Array.of(-5, 2 ** 40) }],
];

function whole(metadata: readonly [string, GgufField][], tensors: readonly TensorEntry[]): Uint8Array {
  const { header, places, fileBytes } = layoutGguf(metadata, tensors);
  const out = new Uint8Array(fileBytes);
  out.set(header);
  places.forEach(({ offset, bytes }, i) => {
    out.fill(i + 1, offset, offset + bytes);
  });
  return out;
}

describe("layoutGguf", () => {
  it("writes every type so that the reader gives the same fields back", async () => {
    const file = await openGguf(whole(fields, []));
    expect([...file.metadata.fields]).toEqual(fields);
  });

  it.each([32, 8, 4096])("places tensors at multiples of %i", async (alignment) => {
    const tensors = [
      { name: "one", type: 0, shape: [3] },
      { name: "two", type: 12, shape: [2, 3, 256] },
      { name: "three", type: 8, shape: [1, 32] },
    ];
    const bytes = whole([["general.alignment", field.u32(alignment)]], tensors);
    const file = await openGguf(bytes);
    expect(file.alignment).toBe(alignment);
    expect([...file.tensors.values()].map(({ name, type, shape }) => ({ name, type, shape }))).toEqual(tensors);
    expect([...file.tensors.values()].map((tensor) => tensor.bytes)).toEqual([12, 6 * 144, 34]);
    expect(bytes.length % alignment).toBe(0);
    let mark = 1;
    for (const tensor of file.tensors.values()) {
      expect(tensor.offset % alignment).toBe(0);
      expect(bytes.subarray(tensor.offset, tensor.offset + tensor.bytes).every((byte) => byte === mark)).toBe(true);
      mark++;
    }
  });

  it.each<[string, [string, GgufField][], TensorEntry[], RegExp]>([
    ["a number too large", [["k", field.u8(256)]], [], /key "k": "256" does not fit into type u8/],
    ["a fraction", [["k", field.u32(1.5)]], [], /does not fit into type u32/],
    ["a negative one", [["k", field.u64(-1)]], [], /does not fit into type u64/],
    ["an unsafe integer", [["k", field.u64(2 ** 60)]], [], /does not fit into type u64/],
    ["another kind", [["k", { type: "string", value: 1 }]], [], /does not fit into type string/],
    ["an unknown type", [["k", { type: "u128", value: 1 }]], [], /wanted a scalar or an array of scalars/],
    ["an array as a scalar", [["k", { type: "u32", value: [1] as never }]], [], /wanted a scalar or an array of scalars/],
    ["arrays in arrays", [["k", { type: "array of array", value: [] }]], [], /wanted a scalar or an array of scalars/],
    ["an element that does not fit", [["k", { type: "array of u8", value: Int32Array.of(-1) }]], [], /does not fit into type array of u8/],
    [
      "a key twice",
      [
        ["k", field.u8(1)],
        ["k", field.u8(1)],
      ],
      [],
      /key "k": wanted every key once/,
    ],
    ["an alignment that is none", [["general.alignment", field.u32(48)]], [], /wanted a power of two/],
    ["an unknown ggml type", [], [{ name: "t", type: 99, shape: [1] }], /wanted a known ggml type, got id 99/],
    ["half a block", [], [{ name: "t", type: 12, shape: [2, 128] }], /rows of a multiple of 256 elements for Q4_K, got \[2, 128\]/],
    ["no dimension", [], [{ name: "t", type: 0, shape: [] }], /wanted 1 to 4 dimensions/],
    ["five dimensions", [], [{ name: "t", type: 0, shape: [1, 1, 1, 1, 1] }], /wanted 1 to 4 dimensions/],
    ["an extent of 0", [], [{ name: "t", type: 0, shape: [0] }], /wanted 1 to 4 dimensions from 1 up/],
    ["too many bytes", [], [{ name: "t", type: 0, shape: [2 ** 30, 2 ** 30] }], /too large for a file/],
  ])("refuses %s", (_, metadata, tensors, says) => {
    expect(() => layoutGguf(metadata, tensors)).toThrow(InvalidArgumentError);
    expect(() => layoutGguf(metadata, tensors)).toThrow(says);
  });

  it("refuses a tensor twice", () => {
    const tensor = { name: "t", type: 0, shape: [1] };
    expect(() => layoutGguf([], [tensor, tensor])).toThrow(/tensor "t": wanted every tensor once/);
  });
});
