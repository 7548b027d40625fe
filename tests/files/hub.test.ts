import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { IntegrityError, InvalidArgumentError, NetworkError } from "../../ts/errors.ts";
import { downloadAll } from "../../ts/io/download.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { chooseByTag, parseHubReference } from "../../ts/io/hub.ts";
import { openSource } from "../../ts/io/open-source.ts";
import { FileServer } from "./server.ts";
import { str, writeGguf } from "./write-gguf.ts";

const tensor = { name: "token_embd.weight", type: 0, shape: [64, 64], data: new Uint8Array(64 * 64 * 4).fill(9) };
const model = writeGguf({ metadata: [["general.architecture", str("toy")]], tensors: [tensor] });
const sha256 = createHash("sha256").update(model).digest("hex");

/** What a small Hub answers: a listing, facts about paths, and files behind a redirect, as the real one. */
class Hub {
  readonly paths = ["README.md", "toy-F16.gguf", "toy-Q4_K_M.gguf", "mmproj-Q4_K_M.gguf"];
  sha256 = sha256;
  readonly asked: string[] = [];
  readonly tokens = new Set<string | undefined>();
  readonly #server: FileServer;

  constructor(server: FileServer) {
    this.#server = server;
    for (const path of this.paths) {
      server.redirects.set(`/me/toy/resolve/main/${path}`, server.url(`/storage/${path}`));
      server.files.set(`/storage/${path}`, { bytes: model, etag: `"${path}"` });
    }
  }

  /** In place of fetch: the Hub's two calls are answered here, the rest by the server. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    this.asked.push(url.pathname);
    this.tokens.add(headers.get("authorization") ?? undefined);
    const entry = (path: string) => ({ type: "file", path, size: model.length, lfs: { oid: this.sha256, size: model.length } });
    if (url.pathname === "/api/models/me/toy/tree/main") return Response.json(this.paths.map(entry));
    if (url.pathname === "/api/models/me/toy/paths-info/main") {
      const { paths } = JSON.parse(String(init?.body)) as { paths: string[] };
      return Response.json(this.paths.filter((path) => paths.includes(path)).map(entry));
    }
    if (url.pathname.startsWith("/api/")) return Response.json({ error: "Repository not found" }, { status: 401 });
    return fetch(input, init);
  };

  get options() {
    return { hubUrl: this.#server.origin, fetch: this.fetch, cacheFolder, attempts: 2, firstDelayMs: 1 };
  }
}

let server: FileServer;
let root: string;
let cacheFolder: string;
let hub: Hub;
beforeAll(async () => {
  server = await FileServer.start();
  root = await mkdtemp(join(tmpdir(), "tandem-hub-"));
});
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  server.reset();
  cacheFolder = await mkdtemp(join(root, "cache-"));
  hub = new Hub(server);
});

async function load(text: string, more: object = {}): Promise<string> {
  await using file = await openGguf(text, { download: { ...hub.options, ...more } });
  await downloadAll(file.sources);
  const { source, offset, bytes } = file.tensors.get("token_embd.weight")!;
  expect(await source.read(offset, bytes)).toEqual(tensor.data);
  return file.name;
}

describe("a reference", () => {
  test.each([
    ["hf:me/toy/sub/m.gguf", { repo: "me/toy", revision: "main", path: "sub/m.gguf", tag: undefined }],
    ["hf://me/toy/m.gguf", { repo: "me/toy", revision: "main", path: "m.gguf", tag: undefined }],
    ["HF:me/toy@v1.2/m.gguf", { repo: "me/toy", revision: "v1.2", path: "m.gguf", tag: undefined }],
    ["hf:me/toy@refs%2Fpr%2F1:Q8_0", { repo: "me/toy", revision: "refs/pr/1", path: undefined, tag: "Q8_0" }],
    ["hf:me/toy", { repo: "me/toy", revision: "main", path: undefined, tag: undefined }],
  ])("%s is understood", (text, wanted) => {
    expect(parseHubReference(text)).toEqual(wanted);
  });

  test.each(["hf:", "hf:toy", "hf:me/", "hf:me/toy:", "hf:me/toy/"])("%s is refused", async (text) => {
    await expect(openGguf(text)).rejects.toThrow(InvalidArgumentError);
    await expect(openGguf(text)).rejects.toThrow(/wanted hf:owner\/repo\/file.gguf or hf:owner\/repo:Q4_K_M/);
  });
});

test.each([
  ["Q4_K_M", "toy-Q4_K_M.gguf"],
  ["q4_k_m", "toy-Q4_K_M.gguf"],
  [undefined, "toy-Q4_K_M.gguf"],
  ["Q8_0", "Q8/toy-Q8_0-00001-of-00002.gguf"],
  ["F16", "toy.F16.gguf"],
  ["UD-Q4_K_XL", "toy-UD-Q4_K_XL.gguf"],
  ["Q4", undefined],
  ["Q6_K", undefined],
])("the tag %s chooses %s", (tag, wanted) => {
  const shards = ["Q8/toy-Q8_0-00001-of-00002.gguf", "Q8/toy-Q8_0-00002-of-00002.gguf"];
  const paths = ["mmproj-F16.gguf", "toy-Q4_K_M.gguf", "toy-UD-Q4_K_M.gguf", "toy-UD-Q4_K_XL.gguf", "toy.F16.gguf", ...shards];
  expect(chooseByTag(paths, tag)).toBe(wanted);
});

test("without a tag an only file will do", () => {
  expect(chooseByTag(["mmproj.gguf", "toy-bf16.gguf"], undefined)).toBe("toy-bf16.gguf");
  expect(chooseByTag(["toy-bf16.gguf"], "Q4_K_M")).toBeUndefined();
});

test("a file is fetched, checked by the Hub's sha256, and then used without any request", async () => {
  expect(await load("hf:me/toy/toy-F16.gguf")).toBe("hf:me/toy/toy-F16.gguf");
  expect(hub.asked[0]).toBe("/api/models/me/toy/paths-info/main");
  const asked = hub.asked.length;
  await load("hf:me/toy/toy-F16.gguf");
  expect(hub.asked).toHaveLength(asked);
});

test("a tag is looked up in the cache first", async () => {
  expect(await load("hf:me/toy:Q4_K_M")).toBe("hf:me/toy/toy-Q4_K_M.gguf");
  const asked = hub.asked.length;
  expect(await load("hf:me/toy")).toBe("hf:me/toy/toy-Q4_K_M.gguf");
  expect(hub.asked).toHaveLength(asked);
  expect(await load("hf:me/toy:F16")).toBe("hf:me/toy/toy-F16.gguf");
});

test("the address of a file's page is the same file", async () => {
  await load("hf:me/toy/toy-F16.gguf");
  const asked = hub.asked.length;
  expect(await load(server.url("/me/toy/blob/main/toy-F16.gguf"))).toBe("hf:me/toy/toy-F16.gguf");
  expect(await load(server.url("/me/toy/resolve/main/toy-F16.gguf?download=true"))).toBe("hf:me/toy/toy-F16.gguf");
  expect(hub.asked).toHaveLength(asked);
});

test("bytes that are not the Hub's are an IntegrityError", async () => {
  hub.sha256 = "f".repeat(64);
  await expect(load("hf:me/toy/toy-F16.gguf")).rejects.toThrow(IntegrityError);
});

test("the token goes to the Hub, and to no place that it sends us to", async () => {
  const storage = await FileServer.start();
  try {
    server.redirects.set("/me/toy/resolve/main/toy-F16.gguf", storage.url("/elsewhere"));
    storage.files.set("/elsewhere", { bytes: model, etag: '"x"' });
    await load("hf:me/toy/toy-F16.gguf", { token: "hf_abc" });
    expect([...hub.tokens]).toEqual(["Bearer hf_abc"]);
    expect(server.seen.map(({ authorization }) => authorization)).toContain("Bearer hf_abc");
    expect(storage.seen.length).toBeGreaterThan(1);
    expect(storage.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  } finally {
    await storage.stop();
  }
  const bad = openSource("hf:me/toy/toy-F16.gguf", { download: { ...hub.options, token: "secret" } });
  await expect(bad).rejects.toThrow(/HF_TOKEN.*wanted a token that starts with "hf_"/);
});

test.each([
  [
    "hf:me/toy/none.gguf",
    NetworkError,
    /me\/toy\/none.gguf: there is no such file: the repository has mmproj-Q4_K_M.gguf, toy-F16.gguf, toy-Q4/,
  ],
  [
    "hf:me/toy:Q9",
    InvalidArgumentError,
    /hf:me\/toy: wanted a GGUF file of Q9, got mmproj-Q4_K_M.gguf, toy-F16.gguf.*name one, as in hf:me/,
  ],
  ["hf:me/nothing/m.gguf", NetworkError, /HTTP 401: it wants a login, or the model does not exist.*HF_TOKEN/],
])("%s is refused with what there is", async (text, type, message) => {
  const error = await load(text).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(type);
  expect((error as Error).message).toMatch(message);
});
