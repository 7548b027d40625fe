import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { GgufError, TandemError, UnsupportedFormatError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { MAX_HEADER_BYTES } from "../../ts/io/gguf-limits.ts";
import type { Source } from "../../ts/io/source.ts";
import {
  ByteWriter,
  type Field,
  list,
  str,
  u32,
  type WriteTensor,
  writeGguf,
  writeKey,
  writeStart,
  writeTensorEntry,
} from "./write-gguf.ts";

// No case below may take more than this much memory, however much its file asks for: the largest file here is 6 MB.
const MEMORY_BYTES = 192 * 1024 * 1024;
const TIME_MS = 5_000;

const HUGE = 2n ** 63n;
const F32 = 0;
const Q4_K = 12;
const [STRING, ARRAY] = [8, 9];

const start = (tensors: number | bigint, keys: number | bigint, version = 3) => writeStart(new ByteWriter(), version, tensors, keys);
/** A file with one key, whose type and value the case writes itself. */
const oneKey = (type: number) => start(0, 1).string("k").u32(type);
const withKey = (key: string, field: Field) => writeGguf({ metadata: [[key, field]], tensors: [] });

interface Entry {
  name?: string;
  ne?: (number | bigint)[];
  type?: number;
  offset?: number | bigint;
}

/** A file with the given tensor table and 1024 bytes of data. */
function table(...entries: Entry[]): Uint8Array {
  const out = start(entries.length, 0);
  for (const { name = "t", ne = [8], type = F32, offset = 0 } of entries) writeTensorEntry(out, name, ne, type, offset);
  return out.align(32).bytes(new Uint8Array(1024)).finish();
}

const tensor: WriteTensor = { name: "t", type: F32, shape: [2, 4], data: new Uint8Array(32) };

/** A small sound file with something of every kind in it. */
function small(): Uint8Array<ArrayBuffer> {
  const metadata: [string, Field][] = [
    ["general.architecture", str("toy")],
    ["count", u32(3)],
    ["ratio", { type: "f64", value: 0.5 }],
    ["flag", { type: "bool", value: true }],
    ["words", list("string", ["one", "two", ""])],
    ["sizes", list("u64", [1, 2n ** 60n])],
    ["nested", { type: "array", of: "array", value: [list("u8", [1, 2]), list("f32", [3])] }],
  ];
  const second: WriteTensor = { name: "blk.0.q", type: Q4_K, shape: [2, 256], data: new Uint8Array(288).fill(7) };
  return writeGguf({ metadata, tensors: [tensor, second], alignment: 64 });
}

function nested(depth: number): Uint8Array {
  const out = oneKey(ARRAY);
  for (let i = 1; i < depth; i++) out.u32(ARRAY).u64(1);
  return out.u32(4).u64(0).finish();
}

const text = (content: string) => new TextEncoder().encode(content);
const patched = (bytes: Uint8Array, at: number, ...values: number[]) => {
  bytes.set(values, at);
  return bytes;
};

type Case = [name: string, bytes: () => Uint8Array, message: RegExp, type?: typeof GgufError | typeof UnsupportedFormatError];

const cases: Case[] = [
  // What it is at all
  [
    "an empty file",
    () => new Uint8Array(0),
    /byte 0 \(magic and version\): wanted 4 more bytes of header, got the end of the file at byte 0/,
  ],
  ["three bytes", () => text("GGU"), /end of the file at byte 3: .*download it again/],
  ["only the magic", () => text("GGUF"), /byte 4 .*wanted 4 more bytes/],
  ["another magic", () => text("PK\x03\x04 and so on"), /wanted the magic "GGUF", got "PK\\u0003\\u0004": this is no GGUF file/],
  ["a Git LFS pointer", () => text("version https://git-lfs.github.com/spec/v1\n"), /Git LFS pointer: fetch the file itself/],
  ["a web page", () => text("<!doctype html><title>Sign in</title>"), /web page: use the file's direct download link/],
  ["version 0", () => start(0, 0, 0).finish(), /wanted GGUF version 2 or 3, got 0/],
  ["version 1", () => start(0, 0, 1).finish(), /wanted GGUF version 2 or 3, got 1: convert the model again/],
  ["version 4", () => start(0, 0, 4).finish(), /wanted GGUF version 2 or 3, got 4: look for a newer release/],
  ["a big-endian file", () => patched(small(), 4, 0, 0, 0, 3), /wanted a little-endian file, got a big-endian one: download the little/],
  ["a big-endian file, magic turned too", () => patched(small(), 0, ...text("FUGG")), /got a big-endian one/],
  // Counts
  ["2^63 tensors", () => start(HUGE, 0).finish(), /wanted at most 262144 tensors, got 9223372036854775808/],
  ["2^63 keys", () => start(0, HUGE).finish(), /wanted at most 65536 keys, got 9223372036854775808/],
  ["2^64 - 1 keys", () => start(0, 2n ** 64n - 1n).finish(), /keys, got 18446744073709551615/],
  ["2^53 tensors", () => start(2 ** 53, 0).finish(), /tensors, got 9007199254740992/],
  [
    "more tensors than the file can hold",
    () => start(1000, 0).finish(),
    /wanted at most the 8 bytes .* count of 1000 tensors, which take at least 33000 bytes/,
  ],
  ["more keys than the file can hold", () => start(0, 1000).finish(), /count of 1000 keys, which take at least 14000 bytes/],
  [
    "fewer keys than counted",
    () => start(0, 2).string("k").u32(4).u32(1).bytes(new Uint8Array(20)).finish(),
    /name of key 2 of 2.*empty one/,
  ],
  // Strings and names
  ["a name of 2^63 bytes", () => start(0, 1).u64(HUGE).bytes(new Uint8Array(64)).finish(), /wanted at most 65535 bytes of name, got 9223/],
  ["a name past the end", () => start(0, 1).u64(60_000).bytes(new Uint8Array(64)).finish(), /count of 60000 bytes of name/],
  ["an empty key name", () => start(0, 1).u64(0).u32(4).u32(1).finish(), /name of key 1 of 1\): wanted a name, got an empty one/],
  ["a key name that is no UTF-8", () => start(0, 1).u64(2).u16(0xfeff).u32(4).u32(1).finish(), /wanted a name in UTF-8/],
  ["a string of 2^63 bytes", () => oneKey(STRING).u64(HUGE).finish(), /key "k"\): wanted at most 16777216 bytes of string, got 9223/],
  [
    "a string of 4 GiB",
    () =>
      oneKey(STRING)
        .u64(2 ** 32)
        .finish(),
    /bytes of string, got 4294967296/,
  ],
  [
    "a string past the end",
    () => oneKey(STRING).u64(10_000).u64(0).finish(),
    /wanted at most the 8 bytes .* count of 10000 bytes of string/,
  ],
  // Values
  ["a value type 13", () => oneKey(13).u64(0).finish(), /key "k"\): wanted a value type from 0 to 12, got 13/],
  ["a value type 2^32 - 1", () => oneKey(0xffffffff).u64(0).finish(), /got 4294967295/],
  ["an array of type 13", () => oneKey(ARRAY).u32(13).u64(0).finish(), /wanted a value type from 0 to 12, got 13/],
  ["a boolean of 2", () => oneKey(7).u8(2).finish(), /wanted a boolean, 0 or 1, got 2/],
  ["an array of booleans with a 255", () => oneKey(ARRAY).u32(7).u64(2).u8(1).u8(255).finish(), /wanted a boolean, 0 or 1, got 255/],
  ["an array of 2^63 bytes", () => oneKey(ARRAY).u32(0).u64(HUGE).finish(), /wanted at most 4194304 elements of type u8, got 9223/],
  [
    "an array of 2^61 doubles",
    () =>
      oneKey(ARRAY)
        .u32(12)
        .u64(2n ** 61n)
        .finish(),
    /elements of type f64, got 2305843009213693952/,
  ],
  [
    "an array of 4 million doubles in no bytes",
    () => oneKey(ARRAY).u32(12).u64(4e6).finish(),
    /wanted at most the 0 bytes .* take at least 32000000 bytes/,
  ],
  ["an array of 4 million strings in no bytes", () => oneKey(ARRAY).u32(8).u64(4e6).finish(), /count of 4000000 elements of type string/],
  ["an array of 4 million arrays in no bytes", () => oneKey(ARRAY).u32(9).u64(4e6).finish(), /count of 4000000 elements of type array/],
  [
    "an array string of 2^32 + 1 bytes",
    () =>
      oneKey(ARRAY)
        .u32(8)
        .u64(1)
        .u64(2 ** 32 + 1)
        .u8(97)
        .finish(),
    /bytes of string, got 4294967297/,
  ],
  ["an array string past the end", () => oneKey(ARRAY).u32(8).u64(2).string("a").u64(5000).finish(), /count of 5000 bytes of string/],
  ["arrays 5 deep", () => nested(5), /wanted arrays at most 4 deep/],
  ["arrays 1000 deep", () => nested(1000), /wanted arrays at most 4 deep, got deeper ones/],
  ["70,000 empty arrays in one", () => manyArrays(70_000), /wanted at most 65536 arrays in arrays, got 70000 more/],
  [
    "a key twice",
    () =>
      writeGguf({
        metadata: [
          ["k", u32(1)],
          ["k", u32(2)],
        ],
        tensors: [],
      }),
    /key "k"\): wanted every key once/,
  ],
  [
    "control characters in a key name",
    () =>
      writeGguf({
        metadata: [
          ["\u001b[2J", u32(1)],
          ["\u001b[2J", u32(2)],
        ],
        tensors: [],
      }),
    /"\\u001b\[2J"/,
  ],
  // Alignment
  ["alignment 0", () => withKey("general.alignment", u32(0)), /"general.alignment": wanted a power of two from 8 to 2097152, got 0/],
  ["alignment 3", () => withKey("general.alignment", u32(3)), /wanted a power of two from 8 .* got 3/],
  ["alignment 4", () => withKey("general.alignment", u32(4)), /wanted a power of two from 8 .* got 4/],
  ["alignment 48", () => withKey("general.alignment", u32(48)), /wanted a power of two.* got 48/],
  ["alignment 2^31", () => withKey("general.alignment", u32(2 ** 31)), /wanted a power of two.* got 2147483648/],
  ["alignment 2^40", () => withKey("general.alignment", { type: "u64", value: 2 ** 40 }), /got 1099511627776/],
  ["alignment that is a string", () => withKey("general.alignment", str("32")), /wanted a whole number >= 0, got string "32"/],
  ["alignment -32", () => withKey("general.alignment", { type: "i32", value: -32 }), /wanted a whole number >= 0, got i32 -32/],
  // The tensor table
  ["a tensor of no dimensions", () => table({ ne: [] }), /tensor "t"\): wanted 1 to 4 dimensions, got 0/],
  ["a tensor of 5 dimensions", () => table({ ne: [1, 1, 1, 1, 1] }), /wanted 1 to 4 dimensions, got 5/],
  [
    "a tensor of 2^32 - 1 dimensions",
    () => start(1, 0).string("t").u32(0xffffffff).bytes(new Uint8Array(64)).finish(),
    /dimensions, got 4294967295/,
  ],
  ["a dimension of 0", () => table({ ne: [8, 0] }), /wanted dimensions from 1 to 9007199254740991, got 0/],
  ["a dimension of -1", () => table({ ne: [8, 2n ** 64n - 1n] }), /wanted dimensions from 1 to .* got 18446744073709551615/],
  ["a product past 2^53", () => table({ ne: [2 ** 30, 2 ** 30] }), /elements, got the shape \[1073741824, 1073741824\]/],
  ["a product that wraps at 2^64", () => table({ ne: [2 ** 32, 2 ** 32, 1, 1] }), /wanted at most 9007199254740991 elements/],
  [
    "a row that is no multiple of its block",
    () => table({ ne: [100, 2], type: Q4_K }),
    /Q4_K wants rows of a multiple of 256 elements, got rows of 100/,
  ],
  [
    "an unknown type",
    () => table({ type: 99 }),
    /tensor "t": wanted a known ggml type, got id 99: use a file quantised/,
    UnsupportedFormatError,
  ],
  ["a withdrawn type", () => table({ type: 4 }), /got id 4/, UnsupportedFormatError],
  ["a type of 2^32 - 1", () => table({ type: 0xffffffff }), /got id 4294967295/, UnsupportedFormatError],
  ["an offset of 2^63", () => table({ offset: HUGE }), /wanted an offset inside the file, got 9223372036854775808/],
  [
    "an offset past the end",
    () => table({ offset: 4096 }),
    /truncated or its tensor table damaged: 4192 bytes expected \(the end of tensor "t"\), 1088/,
  ],
  [
    "a tensor that reaches past the end",
    () => table({ ne: [1000] }),
    /4064 bytes expected \(the end of tensor "t"\), 1088 found: download it again/,
  ],
  ["a tensor of 8 PB", () => table({ ne: [2 ** 50] }), /the file is truncated or its tensor table damaged: 45035996/],
  ["an offset that is not aligned", () => table({ offset: 4 }), /tensor "t": wanted an offset that is a multiple of 32, got 4/],
  [
    "two tensors on the same bytes",
    () => table({ name: "a" }, { name: "b" }),
    /"b": wanted bytes of its own, got an overlap.* before "a" ends/,
  ],
  ["a tensor inside another", () => table({ name: "a", ne: [64] }, { name: "b", offset: 64 }), /"b": .*overlap/],
  ["overlapping tensors in the wrong order", () => table({ name: "a", offset: 32 }, { name: "b", ne: [9] }), /"a": .*before "b" ends/],
  ["a tensor name twice", () => table({ name: "a" }, { name: "a", offset: 64 }), /tensor "a"\): wanted every tensor once/],
  ["an empty tensor name", () => table({ name: "" }), /name of tensor 1 of 1\): wanted a name, got an empty one/],
  [
    "a table cut in the middle",
    () => start(1, 0).string("tensor").u32(2).u64(8).u64(1).finish(),
    /tensor "tensor"\): wanted 28 more bytes/,
  ],
  ["data one byte short", () => small().subarray(0, small().length - 1), /truncated.* bytes expected \(the end of tensor "blk\.0\.q"\)/],
];

function manyArrays(count: number): Uint8Array {
  const out = oneKey(ARRAY).u32(ARRAY).u64(count);
  for (let i = 0; i < count; i++) out.u32(0).u64(0);
  return out.finish();
}

/** Opens and closes; the error if there was one. */
async function attempt(input: Uint8Array | Source): Promise<unknown> {
  try {
    await (await openGguf(input)).close();
    return undefined;
  } catch (error) {
    return error;
  }
}

const isRefusal = (error: unknown) => error instanceof GgufError || error instanceof UnsupportedFormatError;

/** Runs a case and checks that it took neither long nor much memory. */
async function bounded(work: () => Promise<void>, memoryBytes = MEMORY_BYTES): Promise<void> {
  const memory = process.memoryUsage.rss();
  const time = performance.now();
  await work();
  expect(performance.now() - time).toBeLessThan(TIME_MS);
  expect(process.memoryUsage.rss() - memory).toBeLessThan(memoryBytes);
}

describe("a damaged file is refused:", () => {
  test.each(cases)("%s", (_, bytes, message, type = GgufError) =>
    bounded(async () => {
      const error = await attempt(bytes());
      expect(error).toBeInstanceOf(type);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).toMatch(/^Uint8Array: /); // the file's name comes first
    }),
  );

  test("a header that never ends", () =>
    bounded(async () => {
      // 16 MiB strings, one after another, as far as a reader would follow.
      const key = (index: number) => writeKey(new ByteWriter(), `k${index}`, str("")).finish();
      const stringBytes = 16 * 1024 * 1024;
      const front = start(0, 1000).finish();
      const step = key(1000).length + stringBytes;
      let readBytes = 0;
      const endless: Source = {
        name: "endless.gguf",
        size: 2 ** 40,
        read: async (offset, bytes) => {
          readBytes += bytes;
          const block = new Uint8Array(bytes);
          const put = (piece: Uint8Array, at: number) => {
            for (const [i, byte] of piece.entries()) if (at + i >= 0 && at + i < bytes) block[at + i] = byte;
          };
          put(front, -offset);
          for (let index = 0; index * step < MAX_HEADER_BYTES + step; index++) {
            const piece = key(1000 + index);
            new DataView(piece.buffer).setBigUint64(piece.length - 8, BigInt(stringBytes), true);
            put(piece, front.length + index * step - offset);
          }
          return block;
        },
        close: async () => {},
      };
      const error = await attempt(endless);
      expect(error).toBeInstanceOf(GgufError);
      expect((error as Error).message).toMatch(/endless\.gguf: byte \d+ \(key "k1007"\): .*bytes that are left of the header/);
      expect(readBytes).toBeLessThan(MAX_HEADER_BYTES + 16 * 1024 * 1024);
      // The file has all of the largest header there may be: as bytes, as decoded strings, and garbage of either that waits for collection.
    }, 3 * MAX_HEADER_BYTES));
});

test("a sound file cut at any byte is refused", () =>
  bounded(async () => {
    const bytes = small();
    expect(await attempt(bytes)).toBeUndefined();
    for (let length = 0; length < bytes.length; length++) {
      const error = await attempt(bytes.subarray(0, length));
      if (!isRefusal(error)) expect.fail(`cut to ${length} of ${bytes.length} bytes: ${error ?? "it opened"}`);
    }
  }));

/** Numbers below `limit`, always the same ones (xorshift32). */
function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

async function flipAndOpen(
  bytes: Uint8Array,
  times: number,
  withinBytes: number,
  seed: number,
): Promise<{ opened: number; refused: number }> {
  const random = seeded(seed);
  let opened = 0;
  for (let i = 0; i < times; i++) {
    const flips = Array.from({ length: 1 + random(4) }, () => ({ at: random(withinBytes), mask: 1 + random(255) }));
    for (const { at, mask } of flips) bytes[at]! ^= mask;
    const error = await attempt(bytes);
    if (error === undefined) opened++;
    else if (!(error instanceof TandemError)) expect.fail(`${JSON.stringify(flips)}: ${error}`);
    for (const { at, mask } of flips) bytes[at]! ^= mask;
  }
  return { opened, refused: times - opened };
}

test("a small file with random bytes changed opens or is refused, 2,000 times", () =>
  bounded(async () => {
    const bytes = small();
    const { opened, refused } = await flipAndOpen(bytes, 2000, bytes.length, 20_260_101);
    expect(opened).toBeGreaterThan(50); // changes in data, padding or a value
    expect(refused).toBeGreaterThan(500);
  }));

test("a real model with random bytes of its header changed opens or is refused, 300 times", async () => {
  const bytes = new Uint8Array(await readFile(new URL("../data/qwen35-tiny-f16.gguf", import.meta.url)));
  await bounded(async () => {
    const { opened, refused } = await flipAndOpen(bytes, 300, 21_920, 7);
    expect(opened).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(100);
  });
});
