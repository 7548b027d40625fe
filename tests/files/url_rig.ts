import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { type DownloadProgress, downloadAll } from "../../ts/io/download.ts";
import { openSource } from "../../ts/io/open-source.ts";
import type { DownloadOptions } from "../../ts/io/open-url.ts";
import type { Source } from "../../ts/io/source.ts";
import { FileServer, testBytes } from "./server.ts";

/** A server with one model, and a cache of its own for each test: whoever imports this has them. */

export const PIECE_BYTES = 16 * 1024;
/** Of 100 pieces and a bit. */
export const content = testBytes(100 * PIECE_BYTES + 77);
export const sha256 = createHash("sha256").update(content).digest("hex");

export let server: FileServer;
let root: string;
export let cacheFolder: string;
beforeAll(async () => {
  server = await FileServer.start();
  root = await mkdtemp(join(tmpdir(), "tandem-url-"));
});
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  server.reset();
  server.files.set("/m.gguf", { bytes: content, etag: '"one"' });
  cacheFolder = await mkdtemp(join(root, "cache-"));
});

export const quick = { attempts: 3, firstDelayMs: 1 };
export const open = (download: DownloadOptions = {}, path = "/m.gguf", signal?: AbortSignal) =>
  openSource(server.url(path), { signal, download: { ...quick, cacheFolder, ...download } });

export async function fetchAll(download: DownloadOptions = {}, path = "/m.gguf"): Promise<DownloadProgress[]> {
  const source = await open(download, path);
  const steps: DownloadProgress[] = [];
  try {
    await downloadAll([source], { onProgress: (step) => void steps.push(step) });
    await expectContent(source);
  } finally {
    await source.close();
  }
  return steps;
}

async function expectContent(source: Source): Promise<void> {
  expect(source.size).toBe(content.length);
  expect(Buffer.compare(await source.read(0, source.size), content)).toBe(0);
}
