import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CapabilityError, DisposedError, GgufError, InvalidArgumentError } from "../../ts/errors.ts";
import { openSource, type SourceInput } from "../../ts/io/open-source.ts";
import { READ_BLOCK_BYTES, readInto, type Source } from "../../ts/io/source.ts";

const size = READ_BLOCK_BYTES + 100_000; // more than one block, so that the loops are seen
const content = new Uint8Array(size).map((_, i) => (i * 31 + (i >> 8)) & 255);
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tandem-sources-"));
  path = join(folder, "data.bin");
  await writeFile(path, content);
});
afterAll(() => rm(folder, { recursive: true }));

function sharedCopy(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  shared.set(bytes);
  return shared;
}

const kinds: [string, () => SourceInput][] = [
  ["a path", () => path],
  ["a file: URL", () => pathToFileURL(path)],
  ["a file: URL in a string", () => pathToFileURL(path).href],
  ["a Blob", () => new Blob([content])],
  ["a File", () => new File([content], "data.bin")],
  ["a Uint8Array", () => content],
  ["a Uint8Array in shared memory", () => sharedCopy(content)],
  ["a Source without readInto", () => plainSource()],
];

/** The least that a caller's own Source can be. */
function plainSource(): Source {
  return { name: "own", size, read: async (offset, bytes) => content.slice(offset, offset + bytes), close: async () => {} };
}

describe.each(kinds)("%s", (_, input) => {
  test("gives the bytes asked for, in memory that is not shared", async () => {
    const source = await openSource(input());
    expect(source.size).toBe(size);
    for (const [offset, bytes] of [
      [0, 4],
      [12_345, 67_890],
      [size - 3, 3],
      [size, 0],
    ] as const) {
      const got = await source.read(offset, bytes);
      expect(got.buffer).toBeInstanceOf(ArrayBuffer);
      expect(Buffer.compare(got, content.subarray(offset, offset + bytes))).toBe(0);
    }
    expect(Buffer.compare(await source.read(0, size), content)).toBe(0);
    await source.close();
  });

  test("fills shared WebAssembly memory", async () => {
    const source = await openSource(input());
    const memory = new WebAssembly.Memory({ initial: 300, maximum: 300, shared: true });
    const target = new Uint8Array(memory.buffer, 24, size - 7);
    await readInto(source, 7, target);
    expect(Buffer.compare(target, content.subarray(7))).toBe(0);
    expect(new Uint8Array(memory.buffer, 0, 24).every((byte) => byte === 0)).toBe(true);
    await source.close();
  });
});

describe.each(kinds.filter(([name]) => !name.startsWith("a Source")))("%s", (_, input) => {
  test.each([
    [-1, 1],
    [0, size + 1],
    [size, 1],
    [0.5, 1],
    [0, -1],
    [Number.NaN, 1],
  ])("refuses the range %d + %d", async (offset, bytes) => {
    const source = await openSource(input());
    await expect(source.read(offset, bytes)).rejects.toThrow(InvalidArgumentError);
    await expect(source.read(offset, bytes)).rejects.toThrow(/outside the file.*wanted/);
    await source.close();
  });

  test("stops when told to", async () => {
    const source = await openSource(input());
    const reason = new Error("enough");
    await expect(source.read(0, 8, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await source.close();
  });

  test("refuses reads after close(), which may come twice", async () => {
    const source = await openSource(input());
    await source.close();
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow(DisposedError);
  });
});

test("a Source passes through as it is", async () => {
  const source = plainSource();
  expect(await openSource(source)).toBe(source);
});

test("an abort takes effect between blocks", async () => {
  const source = await openSource(path);
  const controller = new AbortController();
  const read = source.read(0, size, { signal: controller.signal });
  controller.abort();
  await expect(read).rejects.toMatchObject({ name: "AbortError" });
  await source.close();
});

test("a file that shrinks while open is a GgufError", async () => {
  const short = join(folder, "short.bin");
  await writeFile(short, content.subarray(0, 1000));
  const source = await openSource(short);
  await writeFile(short, content.subarray(0, 100));
  await expect(source.read(0, 1000)).rejects.toThrow(GgufError);
  await expect(source.read(0, 1000)).rejects.toThrow(/short\.bin: wanted 900 bytes at byte 100, got 0: .*download/);
  await source.close();
});

test("a Source that breaks its word is a GgufError", async () => {
  const liar: Source = { ...plainSource(), read: async () => new Uint8Array(3) };
  await expect(readInto(liar, 0, new Uint8Array(8))).rejects.toThrow(GgufError);
});

type ErrorType = typeof InvalidArgumentError | typeof CapabilityError;

const refused: [string, () => SourceInput, ErrorType, RegExp][] = [
  ["a missing path", () => join(folder, "none.gguf"), InvalidArgumentError, /none\.gguf: cannot be opened \(ENOENT.*check the path/],
  ["a folder", () => folder, InvalidArgumentError, /wanted a file, got a folder/],
  ["an ftp URL object", () => new URL("ftp://example.com/m.gguf"), CapabilityError, /ftp: URLs are not supported: pass an https: URL/],
  ["a blob: URL", () => "blob:nodedata:1-2", CapabilityError, /pass an https: URL, a path, or the File or Blob itself/],
  ["null", () => null as unknown as string, InvalidArgumentError, /wanted a path.*got null/],
  ["a number", () => 7 as unknown as string, InvalidArgumentError, /wanted a path.*got number/],
];

test.each(refused)("%s is refused", async (_, input, type, message) => {
  await expect(openSource(input())).rejects.toThrow(type);
  await expect(openSource(input())).rejects.toThrow(message);
});

test("a relative path with a colon is a path", async () => {
  await expect(openSource("odd:name.gguf")).rejects.toThrow(/odd:name\.gguf: cannot be opened/);
});
