import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CapabilityError, GgufError, IntegrityError, NetworkError } from "../../ts/errors.ts";
import { type DownloadProgress, downloadAll, type RemoteSource } from "../../ts/io/download.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { testBytes } from "./server.ts";
import { cacheFolder, content, fetchAll, open, PIECE_BYTES, quick, server, sha256 } from "./url_rig.ts";
import { type Field, str, writeGguf } from "./write-gguf.ts";

const MiB = 1024 * 1024;

/** The one model's folder in the cache. */
async function entryFolder(): Promise<string> {
  const [only, ...others] = await readdir(cacheFolder);
  expect(others).toEqual([]);
  return join(cacheFolder, only!);
}

describe("without a cache", () => {
  test("reads any part, large ones by parallel ranges, into shared memory too", async () => {
    const source = await open({ cache: false });
    expect(server.seen).toMatchObject([{ method: "GET", range: "bytes=0-0" }]);
    expect(Buffer.compare(await source.read(1000, 10), content.subarray(1000, 1010))).toBe(0);
    expect(server.ranges).toEqual(["bytes=1000-1009"]);
    const target = new Uint8Array(new SharedArrayBuffer(1.5 * MiB));
    await source.readInto!(5, target);
    expect(Buffer.compare(target, content.subarray(5, 5 + 1.5 * MiB))).toBe(0);
    expect(server.ranges.slice(1)).toEqual([`bytes=5-${4 + MiB}`, `bytes=${5 + MiB}-${4 + 1.5 * MiB}`]);
    expect(await readdir(cacheFolder)).toEqual([]);
    await source.close();
  });

  test("goes on at the byte where a connection broke", async () => {
    const source = await open({ cache: false });
    server.cutAt = 200_000;
    expect(Buffer.compare(await source.read(0, MiB), content.subarray(0, MiB))).toBe(0);
    const starts = server.ranges.map((range) => Number(/=(\d+)-/.exec(range!)![1]));
    expect(starts[0]).toBe(0);
    expect(starts[1]).toBeGreaterThan(100_000);
    expect(starts).toHaveLength(2);
    await source.close();
  });

  test("wants a server with ranges", async () => {
    server.files.set("/m.gguf", { bytes: content, ranges: false });
    await expect(open({ cache: false })).rejects.toThrow(CapabilityError);
    await expect(open({ cache: false })).rejects.toThrow(/does not give parts of files.*allow the model cache/);
  });
});

describe("with the cache", () => {
  const large = testBytes(12 * MiB);

  /** Lets what is sent from now on arrive before a connection is cut: what waits unread in a socket then is lost with it. */
  function arriveBeforeCut(source: RemoteSource): void {
    const fetchedBefore = server.sentBytes + source.missingBytes;
    server.beforeCut = async () => {
      while (server.sentBytes + source.missingBytes > fetchedBefore + 4 * PIECE_BYTES)
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
  }

  async function expectLarge(): Promise<void> {
    const source = await open();
    await downloadAll([source]);
    expect(Buffer.compare(await source.read(0, source.size), large)).toBe(0);
    await source.close();
  }

  test("downloads by parallel requests from the front; the second time there is no request", async () => {
    let [open, most] = [0, 0];
    server.onRequest = async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 50));
      open--;
    };
    server.files.set("/m.gguf", { bytes: large });
    await expectLarge();
    const pieces = [0, 3, 6, 9].map((start) => `bytes=${start * MiB}-${(start + 3) * MiB - 1}`);
    expect(new Set(server.ranges)).toEqual(new Set(pieces)); // all at once: which of them arrives first is the network's business
    expect(server.ranges).toHaveLength(pieces.length);
    expect(most).toBe(4);
    expect(server.sentBytes).toBe(large.length + 1);
    await expectLarge();
    expect(server.seen).toHaveLength(5);
  });

  test("a read fetches the pieces that it needs, and they are kept", async () => {
    const source = await open();
    await source.read(PIECE_BYTES - 1, 2);
    expect(server.ranges).toEqual([`bytes=0-${2 * PIECE_BYTES - 1}`]);
    await source.read(0, 2 * PIECE_BYTES);
    expect(server.ranges).toHaveLength(1);
    await source.close();
    const steps = await fetchAll();
    expect(server.ranges[1]).toMatch(new RegExp(`^bytes=${2 * PIECE_BYTES}-`));
    expect(server.sentBytes).toBe(content.length + 2);
    expect(steps[0]).toMatchObject({ phase: "download", loadedBytes: 2 * PIECE_BYTES, totalBytes: content.length });
    expect(steps.at(-1)!.loadedBytes).toBe(content.length);
    expect(steps.at(-1)!.bytesPerSecond).toBeGreaterThan(0);
  });

  test.each([1, 4])("a process that dies at 40 % fetches under 1 % twice (%i times in a row)", async (cuts) => {
    server.files.set("/m.gguf", { bytes: large, etag: '"large"' });
    for (let cut = 1; cut <= cuts; cut++) {
      server.cutAt = (0.3 + 0.1 * cut) * large.length;
      server.staysDown = true;
      const source = (await open()) as RemoteSource;
      arriveBeforeCut(source);
      await expect(downloadAll([source])).rejects.toThrow(NetworkError);
      await source.close();
      expect(source.missingBytes).toBeGreaterThan(0.1 * large.length);
      server.comeBack();
    }
    await expectLarge();
    expect(server.sentBytes - large.length).toBeLessThan(0.01 * large.length * cuts);
  });

  test("a connection that breaks while the process lives costs nothing", async () => {
    server.files.set("/m.gguf", { bytes: large, etag: '"large"' });
    server.cutAt = 0.4 * large.length;
    const source = (await open()) as RemoteSource;
    arriveBeforeCut(source);
    await downloadAll([source]);
    expect(Buffer.compare(await source.read(0, source.size), large)).toBe(0);
    await source.close();
    // What the server had sent and the socket had not yet delivered comes again.
    expect(server.sentBytes - large.length).toBeLessThan(0.01 * large.length);
  });

  test("an abort leaves a download that can be resumed", async () => {
    const stop = new AbortController();
    const source = await open();
    const reason = new Error("tab closed");
    const onProgress = ({ loadedBytes }: DownloadProgress) => loadedBytes > 0 && stop.abort(reason);
    server.onRequest = () => new Promise((resolve) => setTimeout(resolve, 120)); // so that progress is reported in the middle
    await source.read(0, PIECE_BYTES);
    await expect(downloadAll([source], { signal: stop.signal, onProgress })).rejects.toBe(reason);
    await source.close();
    const journal = await readFile(join(await entryFolder(), "pieces"));
    expect(journal[0]).toBe(1);
    server.onRequest = () => {};
    server.seen.length = 0;
    await fetchAll();
    expect(server.ranges[0]).not.toMatch(/^bytes=0-/);
  });

  test("the complete file lies in the cache under its own name", async () => {
    await fetchAll({ sha256 });
    const folder = await entryFolder();
    expect((await readdir(folder)).sort()).toEqual(["info.json", "m.gguf"]);
    expect(Buffer.compare(await readFile(join(folder, "m.gguf")), content)).toBe(0);
    expect(JSON.parse(await readFile(join(folder, "info.json"), "utf8"))).toMatchObject({ sha256, complete: true, etag: '"one"' });
  });

  test.each([
    ["a journal of another length", "pieces", () => new Uint8Array(1000).fill(1)],
    ["a journal with other bytes", "pieces", () => new Uint8Array(100).fill(7)],
    ["an info.json that was cut", "info.json", () => new TextEncoder().encode('{"version": 1, "na')],
    ["an info.json of another kind", "info.json", () => new TextEncoder().encode('{"version":1,"bytes":"many"}')],
    ["a file that was cut", "m.gguf.part", () => new Uint8Array(0)],
  ])("%s is not believed", async (_, file, damage) => {
    const source = await open();
    await source.read(0, 20 * PIECE_BYTES);
    await source.close();
    await writeFile(join(await entryFolder(), file), damage());
    const sentBefore = server.sentBytes;
    server.seen.length = 0;
    await fetchAll({ sha256 });
    expect(server.ranges[0]).toMatch(/^bytes=0-/);
    expect(server.sentBytes - sentBefore).toBe(content.length + 1);
  });

  test("a complete file that somebody deleted is fetched again", async () => {
    await fetchAll();
    await rm(join(await entryFolder(), "m.gguf"));
    await fetchAll({ sha256 });
    expect(await readdir(await entryFolder())).toContain("m.gguf");
  });

  test("a wrong sha256 is an IntegrityError, and nothing of the file is kept", async () => {
    const wrong = "0".repeat(64);
    const run = fetchAll({ sha256: wrong });
    await expect(run).rejects.toThrow(IntegrityError);
    await expect(run).rejects.toThrow(`wanted sha256 ${wrong}, got ${sha256}`);
    expect(await readdir(cacheFolder)).toEqual([]);
    await expect(open({ sha256: "abc" })).rejects.toThrow(/wanted 64 hexadecimal digits, got "abc"/);
  });

  test("a sha256 that comes later is checked without a download", async () => {
    await fetchAll();
    const requests = server.seen.length;
    const steps = await fetchAll({ sha256 });
    expect(new Set(steps.map((step) => step.phase))).toEqual(new Set(["verify"]));
    await expect(fetchAll({ sha256: "0".repeat(64) })).rejects.toThrow(IntegrityError);
    expect(server.seen).toHaveLength(requests);
  });

  test("a file that changes during the download is an IntegrityError; the next load starts over", async () => {
    const source = await open();
    await source.read(0, 10);
    server.files.set("/m.gguf", { bytes: content.toReversed(), etag: '"two"' });
    const changed = downloadAll([source]);
    await expect(changed).rejects.toThrow(IntegrityError);
    await expect(changed).rejects.toThrow(/changed on the server.*wanted \d+ bytes, "one", got \d+ bytes, "two"/);
    await source.close();
    server.files.set("/m.gguf", { bytes: content, etag: '"three"' });
    await fetchAll({ sha256 });
  });

  test("a change is seen by date or size where there is no ETag", async () => {
    for (const [before, after] of [
      [{ modified: "Mon, 01 Jan 2024 00:00:00 GMT" }, { modified: "Tue, 02 Jan 2024 00:00:00 GMT" }],
      [{}, { bytes: content.subarray(1) }],
    ]) {
      server.files.set("/m.gguf", { bytes: content, ...before });
      const source = await open();
      server.files.set("/m.gguf", { bytes: content, ...after });
      await expect(downloadAll([source])).rejects.toThrow(IntegrityError);
      await source.close();
    }
  });

  test("revalidate: a newer file replaces the cached one, the same is kept, and without a network the cached one serves", async () => {
    await fetchAll();
    server.seen.length = 0;
    await fetchAll({ revalidate: true });
    expect(server.seen).toHaveLength(1);
    server.files.set("/m.gguf", { bytes: content, etag: '"two"' });
    await fetchAll({ revalidate: true });
    expect(server.ranges).toHaveLength(2);
    const offline = async () => Promise.reject(new TypeError("fetch failed"));
    await fetchAll({ revalidate: true, fetch: offline });
  });

  test("a server without ranges is read whole, once, and taken up again from the start", async () => {
    server.files.set("/m.gguf", { bytes: content, etag: '"one"', ranges: false });
    server.cutAt = server.sentBytes + 0.4 * content.length;
    await fetchAll({ sha256 });
    const { size } = await stat(join(await entryFolder(), "m.gguf"));
    expect(size).toBe(content.length);
    const requests = server.seen.length;
    await fetchAll();
    expect(server.seen).toHaveLength(requests);
  });

  test("a server that tells no size is refused", async () => {
    server.files.set("/m.gguf", { bytes: content, ranges: false, length: false });
    await expect(open()).rejects.toThrow(CapabilityError);
    await expect(open()).rejects.toThrow(/wanted the file's size.*Content-Length/);
  });

  test("redirects are followed", async () => {
    server.redirects.set("/latest.gguf", server.url("/m.gguf?signature=1"));
    await fetchAll({ sha256 }, "/latest.gguf");
    expect(await readdir(await entryFolder())).toContain("latest.gguf");
  });

  test("a query is neither shown nor kept", async () => {
    const source = await open({}, "/m.gguf?token=secret");
    expect(source.name).toBe(server.url("/m.gguf"));
    await source.close();
    expect(await readFile(join(await entryFolder(), "info.json"), "utf8")).not.toContain("secret");
  });
});

describe("shards", () => {
  const tensor = (index: number) => ({ name: `blk.${index}.weight`, type: 0, shape: [2, 2], data: new Uint8Array(16).fill(index + 1) });
  const shard = (index: number) => {
    const split: [string, Field][] = [
      ["split.no", { type: "u16", value: index }],
      ["split.count", { type: "u16", value: 2 }],
    ];
    return writeGguf({ metadata: [["general.architecture", str("toy")], ...split], tensors: [tensor(index)] });
  };

  test("are found beside each other, with the same query", async () => {
    for (const index of [0, 1]) server.files.set(`/toy-0000${index + 1}-of-00002.gguf`, { bytes: shard(index), etag: `"${index}"` });
    const options = { download: { ...quick, cacheFolder } };
    await using file = await openGguf(server.url("/toy-00002-of-00002.gguf?key=1"), options);
    expect([...file.tensors.keys()]).toEqual(["blk.0.weight", "blk.1.weight"]);
    expect(server.seen.map(({ path }) => path)).toContain("/toy-00001-of-00002.gguf?key=1");
    const steps: DownloadProgress[] = [];
    await downloadAll(file.sources, { onProgress: (step) => void steps.push(step) });
    for (const [index, source] of file.sources.entries()) expect((await source.read(0, source.size)).length).toBe(shard(index).length);
    expect(await readdir(cacheFolder)).toHaveLength(2);
  });

  test("a missing one is named", async () => {
    server.files.set("/toy-00001-of-00002.gguf", { bytes: shard(0) });
    const opening = openGguf(server.url("/toy-00001-of-00002.gguf"), { download: { ...quick, cacheFolder } });
    await expect(opening).rejects.toThrow(GgufError);
    await expect(opening).rejects.toThrow(/toy-00002-of-00002\.gguf: wanted shard 2 of 2/);
  });
});
