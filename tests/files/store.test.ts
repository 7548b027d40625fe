import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { IntegrityError, InvalidArgumentError, QuotaError } from "../../ts/errors.ts";
import { downloadAll, type RemoteSource } from "../../ts/io/download.ts";
import { ModelCache, openModelCache } from "../../ts/store/cache.ts";
import { openCacheApiHome } from "../../ts/store/cache-api-home.ts";
import { CachedSource } from "../../ts/store/cached-source.ts";
import { type EntryInfo, readEntry, writeEntry } from "../../ts/store/entry.ts";
import { openFolderHome } from "../../ts/store/folder-home.ts";
import type { Home } from "../../ts/store/home.ts";
import { openHome } from "../../ts/store/open-home.ts";
import { openOpfsHome } from "../../ts/store/opfs-home.ts";
import { heldBytes, missingRuns, pieceBytesFor, pieceCount, pieceLength } from "../../ts/store/pieces.ts";
import { FakeDirectory, fakeCaches } from "./fake-opfs.ts";
import { FileServer, testBytes } from "./server.ts";

const PIECE_BYTES = 1000;
const content = testBytes(10 * PIECE_BYTES + 1);

let root: string;
let server: FileServer;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tandem-store-"));
  server = await FileServer.start();
  server.files.set("/m.gguf", { bytes: content, etag: '"1"' });
});
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  server.seen.length = 0;
});

const info = (more: Partial<EntryInfo> = {}): EntryInfo => ({
  ...{ name: "hf:me/toy/m.gguf", fileName: "m.gguf", url: server.url("/m.gguf"), bytes: content.length, etag: '"1"', ranges: true },
  ...{ pieceBytes: PIECE_BYTES, complete: false, added: "2026-01-02T03:04:05.000Z" },
  ...more,
});

const openSource = (home: Home, key = "toy", more: Partial<EntryInfo> = {}): Promise<RemoteSource> =>
  CachedSource.open({ home, key, info: info(more), http: { attempts: 1 } });

const opened = new Map<string, () => Promise<Home>>([
  ["a folder", async () => openFolderHome(await mkdtemp(join(root, "home-")))],
  ["OPFS in a worker", () => openOpfsHome(new FakeDirectory({ worker: true }).handle)],
  ["OPFS in a page", () => openOpfsHome(new FakeDirectory({}).handle)],
  ["the Cache API", () => openCacheApiHome(fakeCaches())],
]);

describe.each([...opened])("%s", (_, open) => {
  test("keeps what is read, resumes, completes, and forgets", async () => {
    const home = await open();
    await writeEntry(home, "toy", info());
    const first = await openSource(home);
    expect(await first.read(2500, 1000)).toEqual(content.subarray(2500, 3500));
    expect(first.missingBytes).toBe(content.length - 2000);
    await first.close();

    const second = await openSource(home);
    expect(second.missingBytes).toBe(content.length - 2000);
    await downloadAll([second]);
    expect(second.missingBytes).toBe(0);
    expect(server.sentBytes).toBeGreaterThan(0);
    await second.close();
    expect(await readEntry(home, "toy")).toMatchObject({ complete: true, name: "hf:me/toy/m.gguf" });

    server.seen.length = 0;
    const third = await openSource(home, "toy", { complete: true });
    const shared = new Uint8Array(new SharedArrayBuffer(content.length - 1));
    await third.readInto!(1, shared);
    expect(Buffer.compare(shared, content.subarray(1))).toBe(0);
    await third.close();
    expect(server.seen).toEqual([]);

    const cache = new ModelCache(home);
    expect(await cache.list()).toMatchObject([
      { name: "hf:me/toy/m.gguf", bytes: content.length, heldBytes: content.length, complete: true },
    ]);
    await cache.remove("hf:me/toy/m.gguf");
    expect(await home.keys()).toEqual([]);
    expect(await home.readInfo("toy")).toBeUndefined();
    await home.remove("toy");
  });

  test("lists half a download and a damaged entry, and deletes both", async () => {
    const home = await open();
    await writeEntry(home, "half", info());
    const source = await openSource(home, "half");
    await source.read(0, 1);
    await source.close();
    await home.writeInfo("broken", "{");
    const cache = new ModelCache(home);
    expect(await cache.list()).toMatchObject([
      { name: "broken", bytes: 0, complete: false, added: undefined },
      { name: "hf:me/toy/m.gguf", key: "half", heldBytes: PIECE_BYTES, complete: false, added: new Date("2026-01-02T03:04:05Z") },
    ]);
    await cache.remove("broken");
    await cache.remove("half");
    expect(await cache.list()).toEqual([]);
    await expect(cache.remove("half")).rejects.toThrow(InvalidArgumentError);
    await expect(cache.remove("half")).rejects.toThrow(/half: wanted a model of the cache .*, which has nothing/);
  });

  test("all shards go with one", async () => {
    const home = await open();
    for (const shard of [1, 2]) await writeEntry(home, `s${shard}`, info({ name: `hf:me/toy/m-0000${shard}-of-00002.gguf` }));
    await writeEntry(home, "other", info({ name: "hf:me/toy/n-00001-of-00002.gguf" }));
    expect(await new ModelCache(home).remove("hf:me/toy/m-00002-of-00002.gguf")).toHaveLength(2);
    expect(await home.keys()).toEqual(["other"]);
  });
});

describe("OPFS", () => {
  test("what a worker began a page goes on with", async () => {
    const folder = new FakeDirectory({ worker: true });
    const worker = await openSource(await openOpfsHome(folder.handle));
    await worker.read(0, 3 * PIECE_BYTES);
    folder.options.worker = false;
    const page = await openSource(await openOpfsHome(folder.handle));
    expect(page.missingBytes).toBe(content.length - 3 * PIECE_BYTES);
    await downloadAll([page]);
    expect(await page.read(0, content.length)).toEqual(new Uint8Array(content));
  });

  test.each([
    { worker: true, segment: "0", bytes: PIECE_BYTES + 10, kept: 1 },
    { worker: false, segment: "1", bytes: 10, kept: 2 },
  ])("a piece that was cut when the tab was closed is fetched again (worker: $worker)", async ({ worker, segment, bytes, kept }) => {
    const folder = new FakeDirectory({ worker });
    const home = await openOpfsHome(folder.handle);
    const before = await openSource(home);
    await before.read(0, 3 * PIECE_BYTES);
    const models = await folder.getDirectoryHandle("tandem-models");
    const piece = await (await models.getDirectoryHandle("toy")).getFileHandle(segment);
    const writable = await piece.createWritable();
    await writable.write(content.subarray(0, bytes));
    await writable.close();
    const after = await openSource(home);
    expect(after.missingBytes).toBe(content.length - kept * PIECE_BYTES);
    expect(await after.read(0, content.length)).toEqual(new Uint8Array(content));
  });

  test.each([
    { worker: true, files: ["0", "3"] },
    { worker: false, files: ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"] },
  ])("pieces that come one after the other lie in one file (worker: $worker)", async ({ worker, files }) => {
    const folder = new FakeDirectory({ worker });
    const home = await openOpfsHome(folder.handle);
    const source = await openSource(home);
    await source.read(0, 3 * PIECE_BYTES);
    await downloadAll([source]);
    const names: string[] = [];
    const models = await folder.getDirectoryHandle("tandem-models");
    for await (const [name] of (await models.getDirectoryHandle("toy")).entries()) names.push(name);
    expect(names.filter((name) => name !== "info.json").sort()).toEqual(files);
    expect(await source.read(0, content.length)).toEqual(new Uint8Array(content));
  });

  test("tabs that downloaded at the same time leave a model that can be read", async () => {
    const home = await openOpfsHome(new FakeDirectory({ worker: true }).handle);
    const [one, other] = [await openSource(home), await openSource(home)];
    await one.read(0, 8 * PIECE_BYTES);
    await other.read(2 * PIECE_BYTES, PIECE_BYTES);
    const after = await openSource(home);
    expect(after.missingBytes).toBe(content.length - 8 * PIECE_BYTES);
    await downloadAll([after]);
    const complete = await openSource(home, "toy", { complete: true });
    expect(await complete.read(1, content.length - 1)).toEqual(new Uint8Array(content.subarray(1)));
  });

  test("a segment that is gone from a complete model is told", async () => {
    const folder = new FakeDirectory({ worker: true });
    const home = await openOpfsHome(folder.handle);
    await downloadAll([await openSource(home)]);
    const models = await folder.getDirectoryHandle("tandem-models");
    await (await models.getDirectoryHandle("toy")).removeEntry("0");
    const source = await openSource(home, "toy", { complete: true });
    await expect(source.read(4000, 10)).rejects.toThrow(IntegrityError);
    await expect(source.read(4000, 10)).rejects.toThrow(/OPFS: piece 4 .*wanted 10 bytes, got nothing: remove the model/);
  });

  test.each([true, false])("a full quota is a QuotaError, and what was kept stays (worker: %s)", async (worker) => {
    const folder = new FakeDirectory({ quota: 5 * PIECE_BYTES + 500, worker });
    const source = await openSource(await openOpfsHome(folder.handle));
    const error = await downloadAll([source]).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(QuotaError);
    expect((error as Error).message).toMatch(/the model cache has no room: 1000 more bytes are needed.*remove cached models/);
    expect(source.missingBytes).toBe(content.length - 5 * PIECE_BYTES);
  });

  test("a piece that another tab is writing is told", async () => {
    const folder = new FakeDirectory({ worker: true });
    const source = await openSource(await openOpfsHome(folder.handle));
    const toy = await (await folder.getDirectoryHandle("tandem-models")).getDirectoryHandle("toy");
    const piece = (await toy.getFileHandle("0", { create: true })) as { createSyncAccessHandle?(): Promise<unknown> };
    await piece.createSyncAccessHandle!();
    await expect(source.read(0, 1)).rejects.toThrow(/another tab is downloading the same model/);
    const cache = new ModelCache(await openOpfsHome(folder.handle));
    await expect(cache.remove("toy")).rejects.toThrow(/another tab is downloading the same model/);
  });

  test("too little room is told before anything is fetched, with both numbers", async () => {
    vi.stubGlobal("navigator", { storage: { estimate: async () => ({ quota: 9000, usage: 2000 }), persist: async () => true } });
    const source = await openSource(await openOpfsHome(new FakeDirectory({}).handle));
    const error = await downloadAll([source]).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "quota", neededBytes: content.length, availableBytes: 7000 });
    expect(server.seen).toEqual([]);
  });
});

describe("the home of a platform", () => {
  const browser = (globals: { navigator?: object; caches?: CacheStorage }) => {
    vi.stubGlobal("process", undefined);
    vi.stubGlobal("navigator", globals.navigator);
    vi.stubGlobal("caches", globals.caches);
  };
  const opfs = { storage: { getDirectory: async () => new FakeDirectory({}).handle } };
  const closed = { storage: { getDirectory: async () => Promise.reject(new DOMException("no", "SecurityError")) } };

  test("is OPFS in a browser, the Cache API without it, and may be missing", async () => {
    browser({ navigator: opfs, caches: fakeCaches() });
    expect((await openHome())?.name).toBe("OPFS");
    browser({ navigator: closed, caches: fakeCaches() });
    expect((await openHome())?.name).toBe("Cache API");
    browser({ navigator: closed });
    expect(await openHome()).toBeUndefined();
    await expect(openModelCache()).rejects.toThrow(/there is no place to keep models here: wanted OPFS or the Cache API/);
  });

  test("is a folder in Node, by the environment or the option", async () => {
    vi.stubEnv("XDG_CACHE_HOME", root);
    vi.stubEnv("TANDEM_CACHE", "");
    expect((await openHome())?.name).toBe(join(root, "tandem"));
    vi.stubEnv("TANDEM_CACHE", join(root, "mine"));
    expect((await openHome())?.name).toBe(join(root, "mine"));
    expect((await openHome({ cacheFolder: join(root, "other") }))?.name).toBe(join(root, "other"));
    vi.unstubAllEnvs();
  });

  test("a file that is no model's is left alone", async () => {
    const folder = await mkdtemp(join(root, "home-"));
    await writeFile(join(folder, "notes.txt"), "mine");
    expect(await (await openModelCache({ cacheFolder: folder })).list()).toEqual([]);
  });
});

describe("pieces", () => {
  test.each([1, 16_384, 16 * 2 ** 20, 100e6, 5e9, 50e9])(
    "of %d bytes cover the file; four of a file over 16 MiB are under half a percent",
    (bytes) => {
      const grid = { bytes, pieceBytes: pieceBytesFor(bytes) };
      const last = pieceCount(grid) - 1;
      expect(last * grid.pieceBytes + pieceLength(grid, last)).toBe(bytes);
      if (bytes >= 16 * 2 ** 20) expect((4 * grid.pieceBytes) / bytes).toBeLessThan(0.005);
    },
  );

  test("missing ones come in order, in runs", () => {
    const held = Uint8Array.of(0, 1, 0, 0, 0, 1, 0);
    expect(missingRuns(held, { first: 0, last: 7 }, 2)).toEqual([
      { first: 0, last: 1 },
      { first: 2, last: 4 },
      { first: 4, last: 5 },
      { first: 6, last: 7 },
    ]);
    expect(missingRuns(held, { first: 3, last: 4 }, 9)).toEqual([{ first: 3, last: 4 }]);
    expect(missingRuns(held, { first: 1, last: 2 }, 9)).toEqual([]);
    expect(heldBytes({ bytes: 65, pieceBytes: 10 }, held)).toBe(20);
  });
});
