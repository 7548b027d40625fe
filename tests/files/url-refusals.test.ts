import { describe, expect, test, vi } from "vitest";
import { InvalidArgumentError, NetworkError } from "../../ts/errors.ts";
import { openSource } from "../../ts/io/open-source.ts";
import { cacheFolder, content, fetchAll, open, quick, server, sha256 } from "./url_rig.ts";

describe("refusals", () => {
  test.each([
    [401, /HTTP 401: it wants a login.*HF_TOKEN/],
    [403, /HTTP 403: access is refused: accept the model's terms/],
    [404, /HTTP 404: there is no such file: check the spelling/],
    [416, /HTTP 416: the file is shorter than it was, or empty/],
    [418, /HTTP 418: check the address/],
  ])("HTTP %i is told at once, with what to do", async (status, message) => {
    server.replies.push({ status });
    const error = await open().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ status, code: "network" });
    expect((error as Error).message).toMatch(message);
    expect(server.seen).toHaveLength(1);
  });

  test("HTTP 429 and 5xx pass when they are waited out", async () => {
    server.replies.push({ status: 429, headers: { "retry-after": "0" } }, { status: 503 });
    await fetchAll({ sha256 });
    expect(server.seen).toHaveLength(5);
  });

  test("HTTP 429 with a long Retry-After is told", async () => {
    server.replies.push({ status: 429, headers: { "retry-after": "3600" } });
    await expect(open()).rejects.toThrow(/HTTP 429: too many requests.*it asks to wait 3600 s.*given up after 1 try$/);
    server.replies.push({ status: 429, headers: { "retry-after": new Date(Date.now() + 7.2e6).toUTCString() } });
    await expect(open()).rejects.toMatchObject({ status: 429 });
  });

  test("HTTP 500 that stays is told after some tries", async () => {
    for (let i = 0; i < 3; i++) server.replies.push({ status: 500 });
    await expect(open()).rejects.toThrow(/HTTP 500: the server is in trouble.*given up after 3 tries in a row/);
  });

  test("no answer at all is told with its reason", async () => {
    const nobody = openSource("http://127.0.0.1:1/m.gguf", { download: { ...quick, cacheFolder } });
    await expect(nobody).rejects.toThrow(NetworkError);
    await expect(nobody).rejects.toThrow(/no answer \(.*\); given up after 3 tries in a row: check the network and the address/);
  });

  test("a page of another site is told about CORS", async () => {
    vi.stubGlobal("location", { origin: "https://page.example" });
    const blocked = async () => Promise.reject(new TypeError("Failed to fetch"));
    await expect(open({ fetch: blocked })).rejects.toThrow(
      /does not let pages of https:\/\/page\.example read it: it must send Access-Control-Allow-Origin, and Access-Control-Expose-Headers: Content-Range, ETag/,
    );
    vi.unstubAllGlobals();
    // A server that lets the page read the body but not the headers.
    const bare = async () => new Response(new Uint8Array(1), { status: 206 });
    await expect(open({ fetch: bare })).rejects.toThrow(/let it send Content-Range \(for other sites' pages Access-Control-Expose-Headers/);
  });

  test("a connection that falls silent is taken up again", async () => {
    const source = await open({ stallMs: 200, cache: false });
    server.cutAt = server.sentBytes + 200_000;
    server.beforeCut = () => new Promise((resolve) => setTimeout(resolve, 10_000).unref());
    expect(Buffer.compare(await source.read(0, 900_000), content.subarray(0, 900_000))).toBe(0);
    expect(server.ranges).toHaveLength(2);
    await source.close();
  });

  test("an abort ends the waiting", async () => {
    for (let i = 0; i < 9; i++) server.replies.push({ status: 503 });
    const stop = new AbortController();
    const opening = open({ attempts: 9, firstDelayMs: 60_000 }, "/m.gguf", stop.signal);
    const reason = new Error("enough");
    setTimeout(() => stop.abort(reason), 20);
    await expect(opening).rejects.toBe(reason);
  });

  test("a login in the URL is refused", async () => {
    await expect(openSource("https://me:pw@example.com/m.gguf")).rejects.toThrow(InvalidArgumentError);
  });
});
