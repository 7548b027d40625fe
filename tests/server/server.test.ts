import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../ts/errors.ts";
import { type Server, serve } from "../../ts/server/index.ts";
import { KEY, type Served, served, until } from "./served.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-page-"));
const chat = { messages: [{ role: "user", content: "What is nginx?" }], seed: 4 };
let server: Served;
let open: Server;

beforeAll(async () => {
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<p>a page");
  writeFileSync(join(folder, "assets", "a b.js"), "1");
  server = await served({ parallel: 1, maxWaiting: 1 }, { cors: ["https://a.example"], maxBodyBytes: 20_000, page: folder });
  open = await serve(server.model, { port: 0 });
});
afterAll(async () => {
  await open.close(0);
  await server.stop();
  rmSync(folder, { recursive: true });
});

async function expectError(response: Response, status: number, code: string): Promise<string> {
  const { error } = (await response.json()) as { error: { message: string; type: string; code: string } };
  expect([response.status, error.code]).toEqual([status, code]);
  return error.message;
}

describe("requests that are refused", () => {
  it("without the key, or with another one; health is open", async () => {
    for (const authorization of ["", "Bearer", "Bearer wrong", `Basic ${KEY}`, `Bearer ${KEY}x`]) {
      const response = await fetch(`${server.url}/v1/models`, { headers: { authorization } });
      await expectError(response, 401, authorization.startsWith("Bearer ") ? "invalid_api_key" : "missing_api_key");
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it("no JSON, no object, too deep, too large, of another kind", async () => {
    const post = (body: string, headers = {}) => server.post("/v1/chat/completions", body, headers);
    await expectError(await post("{"), 400, "invalid_json");
    await expectError(await post("[]"), 400, "invalid_request");
    expect(await expectError(await post(`{"a":${"[".repeat(500)}${"]".repeat(500)}}`), 400, "invalid_request")).toContain("200 levels");
    expect(await expectError(await post("x".repeat(20_001)), 413, "body_too_large")).toContain("20000 bytes");
    await expectError(await post(JSON.stringify(chat), { "content-type": "text/plain" }), 415, "unsupported_media_type");
    const streamed = new Blob(["x".repeat(30_000)]).stream();
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const chunked = await fetch(`${server.url}/tokenize`, { method: "POST", body: streamed, headers, duplex: "half" } as RequestInit);
    await expectError(chunked, 413, "body_too_large");
  });

  it("parameters by name; unknown ones and null are let through", async () => {
    const refused = async (more: object, want: string) =>
      expect(await expectError(await server.post("/v1/chat/completions", { ...chat, ...more }), 400, "invalid_request")).toContain(want);
    await refused({ messages: [] }, "messages: ");
    await refused({ messages: [{ role: "user" }] }, "messages[0].content: ");
    await refused({ messages: [{ role: "king", content: "" }] }, "messages[0].role: ");
    await refused({ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "this model reads text alone");
    await refused({ max_tokens: 0 }, "max_tokens: ");
    await refused({ tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0]");
    const fine = await server.post("/v1/chat/completions", { ...chat, max_tokens: 1, user: "me", store: true, stop: null, tools: null });
    expect(fine.status).toBe(200);
    await expectError(await server.post("/v1/nowhere", {}), 404, "unknown_url");
  });

  it("when the queue is full: 429, streamed or not", async () => {
    const leave = new AbortController();
    const filling = [1, 2].map((seed) => server.post("/v1/chat/completions", { ...chat, stream: true, seed }, {}, leave.signal));
    await until(async () => (await server.metric("tandem_generations_waiting")) === 1);
    for (const stream of [true, false]) {
      const response = await server.post("/v1/chat/completions", { ...chat, stream });
      expect(response.headers.get("retry-after")).toBe("1");
      await expectError(response, 429, "queue_full");
    }
    leave.abort();
    await Promise.allSettled(filling);
    await until(async () => (await server.metric("tandem_http_requests_in_flight")) === 0);
    expect(await server.metric("tandem_sequences_active")).toBe(0);
    expect(await server.metric("tandem_generations_waiting")).toBe(0);
  });

  it("by another host's name, where no key is wanted", async () => {
    const { port } = new URL(open.url);
    const status = (host: string) =>
      new Promise((resolve) => {
        request({ port, path: "/health", headers: { host } }, (response) => resolve(response.resume().statusCode)).end();
      });
    expect(await status(`localhost:${port}`)).toBe(200);
    expect(await status("evil.example")).toBe(403);
    await expect(serve(server.model, { port: Number(port) })).rejects.toThrow(InvalidArgumentError);
  });
});

describe("answers", () => {
  it("tokens and text", async () => {
    const { tokens } = (await (await server.post("/tokenize", { content: "Hello <|im_end|>" })).json()) as { tokens: number[] };
    expect(tokens).toEqual(server.model.tokenize("Hello <|im_end|>", { addSpecial: false }));
    expect(await (await server.post("/detokenize", { tokens })).json()).toEqual({ content: "Hello <|im_end|>" });
    await expectError(await server.post("/detokenize", { tokens: [1e9] }), 400, "invalid_request");
  });

  it("the page's files and nothing else, in isolation; other origins may be allowed", async () => {
    const page = await fetch(`${server.url}/`, { headers: { origin: "https://a.example" } });
    expect(await page.text()).toBe("<p>a page");
    expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(await (await fetch(`${server.url}/assets/a%20b.js`)).text()).toBe("1");
    for (const path of ["/../package.json", "/..%2fpackage.json", "/assets/..%2f..%2fpackage.json", "/assets/"]) {
      const status = await new Promise((resolve) => {
        request(server.url, { path, headers: { authorization: `Bearer ${KEY}` } }, (response) =>
          resolve(response.resume().statusCode),
        ).end();
      });
      expect(status).toBe(404);
    }
    const other = await fetch(`${server.url}/health`, { headers: { origin: "https://b.example" } });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("metrics", async () => {
    const before = await server.metric("tandem_generated_tokens_total");
    await server.post("/v1/completions", { prompt: "Once", max_tokens: 3, logit_bias: {} });
    expect((await server.metric("tandem_generated_tokens_total")) - before).toBeLessThanOrEqual(3);
    expect((await server.metric("tandem_generated_tokens_total")) - before).toBeGreaterThan(0);
    expect(await server.metric('tandem_http_requests_total{route="/v1/completions",status="200"}')).toBe(1);
    expect(await server.metric('tandem_http_requests_total{route="other",status="404"}')).toBeGreaterThan(0);
  });

  it("a client that leaves while its prompt is read frees the sequence", async () => {
    const leave = new AbortController();
    const messages = [{ role: "user", content: "word ".repeat(400) }];
    const asked = server.post("/v1/chat/completions", { messages, seed: 1 }, {}, leave.signal);
    await until(async () => (await server.metric("tandem_sequences_active")) === 1);
    leave.abort();
    await expect(asked).rejects.toThrow();
    await until(async () => (await server.metric("tandem_http_requests_in_flight")) === 0);
    expect(await server.metric("tandem_sequences_active")).toBe(0);
    expect(await server.metric('tandem_http_requests_total{route="/v1/chat/completions",status="499"}')).toBeGreaterThan(0);
  });
});

describe("the end of a server", () => {
  const text = async (response: Response) => response.text();

  it("lets a stream finish and refuses what is new", async () => {
    const { model } = server;
    const ending = await serve(model, { port: 0, apiKeys: [KEY] });
    const ask = () =>
      fetch(`${ending.url}/v1/chat/completions`, {
        ...{ method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" } },
        body: JSON.stringify({ ...chat, stream: true, max_tokens: 60 }),
      });
    const stream = await ask();
    const closed = ending.close(30_000);
    await expect(ask().then((response) => Promise.reject(response.status))).rejects.toSatisfy(
      (end) => end === 503 || end instanceof TypeError,
    );
    expect(await text(stream)).toMatch(/data: \[DONE\]\n\n$/);
    expect(await closed).toBe(true);
    await expect(fetch(`${ending.url}/health`)).rejects.toThrow();
  });

  it("ends streams that take too long with an error", async () => {
    const ending = await serve(server.model, { port: 0 });
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ ...chat, stream: true });
    const stream = await fetch(`${ending.url}/v1/chat/completions`, { method: "POST", headers, body });
    expect(await ending.close(0)).toBe(false);
    expect(await text(stream)).toContain('"code":"shutting_down"');
    expect((await server.model.queue()).stats).toMatchObject({ active: 0, waiting: 0 });
  });
});
