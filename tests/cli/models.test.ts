import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LoadBars } from "../../ts/cli/load-bars.ts";
import { FileServer } from "../files/server.ts";
import { cliPath, tandem } from "./tandem.ts";

const example = fileURLToPath(new URL("../../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url));
const greedy = ["run", "--temp", "0", "-n", "8", "-c", "256", "What is the package nginx?"];

let server: FileServer;
let folder: string;
beforeAll(async () => {
  server = await FileServer.start();
  server.files.set("/mini.gguf", { bytes: await readFile(example), etag: '"mini"' });
  folder = await mkdtemp(join(tmpdir(), "tandem-models-"));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** As a process beside the server's, which has to answer meanwhile. */
function run(...args: string[]): Promise<{ stdout: string; stderr: string; status: number }> {
  const env = { ...process.env, TANDEM_CACHE: folder };
  return new Promise((resolve) => {
    execFile(process.execPath, [cliPath, ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, status: typeof error?.code === "number" ? error.code : 0 });
    });
  });
}

describe("tandem run -m URL, tandem models", () => {
  it("downloads once, lists, runs from the cache, deletes", async () => {
    const local = tandem(greedy);
    const first = await run(...greedy, "-m", server.url("/mini.gguf"));
    expect(first.stderr).toMatch(/qwen3next, 2\d\.\d MiB of weights/);
    expect(first.stdout).toBe(local.stdout);
    const requests = server.seen.length;
    expect((await run(...greedy, "-m", server.url("/mini.gguf"))).stdout).toBe(local.stdout);
    expect(server.seen).toHaveLength(requests);

    const listed = await run("models");
    expect(listed.stdout).toMatch(/^ +21\.1 MiB {2}\d{4}-\d\d-\d\d {2}http:\/\/127\.0\.0\.1:\d+\/mini\.gguf\n$/);
    expect(listed.stderr).toContain(`1 file, 21.1 MiB in ${folder}`);
    expect(JSON.parse((await run("models", "list", "--json")).stdout)).toMatchObject([{ bytes: 22155008, complete: true }]);

    expect(await run("models", "rm", "nothing")).toMatchObject({ status: 1, stdout: "" });
    const removed = await run("models", "rm", server.url("/mini.gguf"));
    expect(removed.stderr).toMatch(/^deleted http:\/\/.*mini\.gguf, 21\.1 MiB\n$/);
    expect((await run("models")).stdout).toBe("");
  });

  it("inspect fetches the header only; rm --all", async () => {
    const sentBefore = server.sentBytes;
    const inspected = await run("inspect", server.url("/mini.gguf"));
    expect(inspected.stdout).toContain("qwen3next");
    expect(server.sentBytes - sentBefore).toBeLessThan(22155008 / 10);
    expect((await run("models")).stdout).toMatch(/\(\d+ % downloaded\)\n$/);
    expect((await run("models", "rm", "--all")).stderr).toMatch(/^deleted /);
  });

  it.each([
    [["models", "rm"], /wanted the name of a model, got none/],
    [["models", "rm", "x", "--all"], /wanted names or --all, got both/],
  ])("%j is a usage error", async (args, message) => {
    const { status, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it("a missing file exits with 1 and one line", async () => {
    const { status, stderr } = await run("run", "-m", server.url("/none.gguf"), "x");
    expect(stderr).toMatch(/^tandem: http:\/\/.*none\.gguf: wanted the file, got HTTP 404: .*\n$/);
    expect(status).toBe(1);
  });
});

describe("LoadBars", () => {
  it("shows speed and time left of a download, then the way into memory", () => {
    const written: string[] = [];
    let time = 0;
    const bars = new LoadBars({ isTTY: true, columns: 100, write: (text) => void written.push(text) }, () => time);
    const download = { phase: "download", file: "m", totalBytes: 4 * 2 ** 20, bytesPerSecond: 2 ** 20 } as const;
    bars.update({ ...download, loadedBytes: 0, secondsLeft: undefined });
    time = 1000;
    bars.update({ ...download, loadedBytes: 2 ** 20, secondsLeft: 3 });
    expect(written.at(-1)).toMatch(/downloading █+░+ {2}25 % 1\.00 MiB of 4\.00 MiB, 1\.00 MiB\/s 3 s left$/);
    const load = { phase: "load", totalBytes: 4, loadedTensors: 0, totalTensors: 2, tensor: "a" } as const;
    bars.update({ ...load, loadedBytes: 1 });
    time = 2000;
    bars.update({ ...load, loadedBytes: 2 });
    expect(written.at(-1)).toMatch(/loading █+░+ {2}50 % 2 B of 4 B 1 s left$/);
  });
});
