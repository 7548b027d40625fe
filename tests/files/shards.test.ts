import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GgufError, InvalidArgumentError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { type Field, str, u32, type WriteTensor, writeGguf } from "./write-gguf.ts";

const tensors: WriteTensor[] = Array.from({ length: 7 }, (_, i) => {
  return { name: `blk.${i}.weight`, type: 0, shape: [i + 1, 3], data: new Uint8Array((i + 1) * 12).fill(i + 1) };
});
/** How many tensors each shard gets: the first has none, as `--no-tensor-first-split` makes them. */
const SHARES = [0, 4, 3];

/** The shards of one synthetic model; `changes` puts other split keys into each. */
function shards(changes: { count?: number; tensorCount?: number; no?: (index: number) => number } = {}): Uint8Array<ArrayBuffer>[] {
  let next = 0;
  return SHARES.map((share, index) => {
    const split: [string, Field][] = [
      ["split.no", { type: "u16", value: changes.no?.(index) ?? index }],
      ["split.count", { type: "u16", value: changes.count ?? SHARES.length }],
      ["split.tensors.count", { type: "i32", value: changes.tensorCount ?? tensors.length }],
    ];
    const model: [string, Field][] = index === 0 ? [["general.architecture", str("toy")]] : [];
    const own = tensors.slice(next, next + share);
    next += share;
    return writeGguf({ metadata: [...model, ...split], tensors: own });
  });
}

const shardName = (index: number, stem = "toy") => `${stem}-0000${index + 1}-of-00003.gguf`;
const whole = () => writeGguf({ metadata: [["general.architecture", str("toy")]], tensors });
const asFiles = (all: Uint8Array<ArrayBuffer>[]) => all.map((bytes, index) => new File([bytes], shardName(index)));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tandem-shards-"));
});
afterAll(() => rm(root, { recursive: true }));

/** A new folder with the given files. */
async function folder(name: string, files: Record<string, Uint8Array>): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  for (const [file, bytes] of Object.entries(files)) await writeFile(join(path, file), bytes);
  return path;
}

async function expectWholeModel(file: Awaited<ReturnType<typeof openGguf>>): Promise<void> {
  expect(file.metadata.getString("general.architecture")).toBe("toy");
  expect([...file.tensors.keys()]).toEqual(tensors.map((tensor) => tensor.name));
  expect(file.sources).toHaveLength(3);
  expect(file.dataBytes).toBe(tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0));
  for (const { name, data } of tensors) {
    const { source, offset, bytes } = file.tensors.get(name)!;
    expect(await source.read(offset, bytes)).toEqual(data);
  }
  await file.close();
}

describe("a set of three", () => {
  test("opens from the path or URL of any of its shards", async () => {
    const path = await folder("good", Object.fromEntries(shards().map((bytes, index) => [shardName(index), bytes])));
    for (const index of [0, 1, 2]) {
      await expectWholeModel(await openGguf(join(path, shardName(index))));
      await expectWholeModel(await openGguf(pathToFileURL(join(path, shardName(index)))));
    }
    await expectWholeModel(await openGguf([2, 0, 1].map((index) => join(path, shardName(index)))));
  });

  test("opens from Files, Blobs and bytes in any order", async () => {
    const all = shards();
    await expectWholeModel(await openGguf(asFiles(all)));
    await expectWholeModel(await openGguf(asFiles(all).reverse()));
    await expectWholeModel(await openGguf([all[1]!, new Blob([all[2]!]), all[0]!]));
  });

  test("reads the same tensors as the whole file", async () => {
    await using one = await openGguf(whole());
    await using set = await openGguf(shards());
    const plain = (file: typeof one) => [...file.tensors.values()].map(({ name, type, shape, bytes }) => ({ name, type, shape, bytes }));
    expect(plain(set)).toEqual(plain(one));
  });
});

test("a missing shard is named, with what to do", async () => {
  const all = shards();
  const path = await folder("missing", { [shardName(0)]: all[0]!, [shardName(2)]: all[2]! });
  for (const index of [0, 2]) {
    const opened = openGguf(join(path, shardName(index)));
    await expect(opened).rejects.toThrow(GgufError);
    await expect(opened).rejects.toThrow(/toy-00002-of-00003\.gguf: wanted shard 2 of 3 .* got no readable file: download all 3 shards/);
  }
});

test("a damaged shard is named", async () => {
  const [first, second, third] = shards();
  const cut = second!.subarray(0, second!.length - 1);
  const path = await folder("cut", { [shardName(0)]: first!, [shardName(1)]: cut, [shardName(2)]: third! });
  await expect(openGguf(join(path, shardName(0)))).rejects.toThrow(GgufError);
  await expect(openGguf(join(path, shardName(0)))).rejects.toThrow(/toy-00002-of-00003\.gguf: the file is truncated/);
});

test("a shard under a name that does not fit is refused", async () => {
  const all = shards();
  const path = await folder("renamed", { "toy.gguf": all[0]!, [shardName(2)]: all[1]! });
  await expect(openGguf(join(path, "toy.gguf"))).rejects.toThrow(/wanted a name like name-00001-of-00003\.gguf/);
  await expect(openGguf(join(path, shardName(2)))).rejects.toThrow(/wanted a name like name-00002-of-00003\.gguf/);
});

const [first, second, third] = shards() as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

test.each<[string, () => Uint8Array[], RegExp]>([
  ["one shard alone", () => [first], /wanted all 3 shards, got 1, without shard 2: pass all of them as an array/],
  ["the last shard missing", () => [second, first], /wanted all 3 shards, got 2, without shard 3/],
  ["the first shard missing", () => [second, third], /wanted all 3 shards, got 2, without shard 1/],
  ["a shard twice", () => [first, second, second], /shard 2 of 3 came twice/],
  ["a shard twice beside all others", () => [first, second, third, second], /shard 2 of 3 came twice/],
  [
    "a shard of another set",
    () => [first, second, shards({ tensorCount: 9 })[2]!],
    /a set of 3 files with 7 tensors\), got one of .* 9 tensors/,
  ],
  ["a shard of a larger set", () => [first, second, shards({ count: 4 })[2]!], /wanted a shard of the same set.*a set of 4 files/],
  ["a whole model among shards", () => [first, second, whole()], /got a whole model/],
  ["shards after a whole model", () => [whole(), first], /wanted a shard .* got a whole model among 2 files/],
  ["two whole models", () => [whole(), whole()], /got a whole model among 2 files/],
  ["a wrong count of tensors in all", () => shards({ tensorCount: 8 }), /wanted 8 tensors in 3 shards \(split.tensors.count\), got 7/],
  ["a number past the count", () => shards({ no: (index) => index + 1 }), /"split\.no": wanted less than split\.count = 3, got 3/],
  ["a tensor in two shards", () => shardsWithDouble(), /tensor "blk\.0\.weight": wanted every tensor once, got it in/],
])("%s is refused", async (_, inputs, message) => {
  const files = inputs().map((bytes) => new Uint8Array(bytes));
  await expect(openGguf(files)).rejects.toThrow(GgufError);
  await expect(openGguf(files)).rejects.toThrow(message);
});

function shardsWithDouble(): Uint8Array[] {
  const metadata = (no: number): [string, Field][] => [
    ["split.no", u32(no)],
    ["split.count", u32(2)],
  ];
  return [0, 1].map((no) => writeGguf({ metadata: metadata(no), tensors: tensors.slice(0, 1) }));
}

test("an empty array is refused", async () => {
  await expect(openGguf([])).rejects.toThrow(InvalidArgumentError);
});

test("a file that says it is shard 1 of 1 is whole, whatever its name", async () => {
  const metadata: [string, Field][] = [
    ["split.no", u32(0)],
    ["split.count", u32(1)],
  ];
  const path = await folder("single", { "any.gguf": writeGguf({ metadata, tensors }), [shardName(1)]: whole() });
  for (const name of ["any.gguf", shardName(1)]) {
    await using file = await openGguf(join(path, name));
    expect(file.tensors.size).toBe(7);
  }
});
