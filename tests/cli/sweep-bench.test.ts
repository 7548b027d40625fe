import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { drawSweep, InvalidArgumentError, loadModel, SWEEP_HEAD, type SweepRow, sweep, sweepCsv, sweepLine } from "../../ts/index.ts";
import { tinyModel } from "../models/tiny.ts";
import { embeddedModel } from "../models/trained.ts";
import { FakeContext } from "./fake-context.ts";
import { cliPath, tandem } from "./tandem.ts";
import { unclosed } from "./xml.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-sweep-"));
afterAll(() => rmSync(folder, { recursive: true }));

const model = { config: { V: 100 } } as Parameters<typeof sweep>[0];

const SHORT = { contextLength: 64, ubatch: 16, checkpoints: 1 };

async function collect(rows: AsyncIterable<SweepRow>): Promise<SweepRow[]> {
  const all: SweepRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

describe("sweep", () => {
  it("generates a quarter of a ubatch at each filling, goes back, decodes a ubatch; only decoding is timed", async () => {
    const context = new FakeContext(27, 8);
    const rows = await collect(sweep(model, context, { now: context.now }));
    expect(context.log).toEqual([
      ...["clear", "decode 1 at 0", "clear"],
      ...["checkpoint 0", "decode 1 at 0", "decode 1 at 1", "rewind 0", "settle", "decode 8 at 0"],
      ...["checkpoint 8", "decode 1 at 8", "decode 1 at 9", "rewind 8", "settle", "decode 8 at 8"],
      ...["checkpoint 16", "decode 1 at 16", "decode 1 at 17", "rewind 16", "settle", "decode 8 at 16"],
    ]);
    expect(SWEEP_HEAD + rows.map(sweepLine).join("")).toBe(
      `|    PP |     TG |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |
|-------|--------|--------|----------|----------|----------|----------|
|     8 |      2 |      0 |    0.016 |   500.00 |    0.018 |   111.06 |
|     8 |      2 |      8 |    0.016 |   498.05 |    0.018 |   110.30 |
|     8 |      2 |     16 |    0.016 |   496.12 |    0.018 |   109.54 |
`,
    );
    expect(new Set(context.tokens).size).toBeGreaterThan(10);
    expect(context.tokens.every((token) => Number.isInteger(token) && token >= 0 && token < 100)).toBe(true);
  });

  it("takes other numbers of generated tokens, and warms up with a ubatch", async () => {
    const context = new FakeContext(16, 8);
    const [row, ...others] = await collect(sweep(model, context, { now: context.now, generated: 9, warmupBatch: true }));
    expect(context.log[1]).toBe("decode 8 at 0");
    expect(row).toMatchObject({ pp: 8, tg: 9, nKv: 0 });
    expect(others).toEqual([]); // 8 + 9 tokens do not fit
  });

  it("keeps the rows before an abort, and can be run again on the same context", async () => {
    const context = new FakeContext(64, 8);
    const stop = new AbortController();
    context.onDecode = (count) => void (count === 9 && stop.abort(new Error("enough")));
    const rows: SweepRow[] = [];
    const stopped = (async () => {
      for await (const row of sweep(model, context, { now: context.now, signal: stop.signal })) rows.push(row);
    })();
    await expect(stopped).rejects.toThrow("enough");
    expect(rows.map(({ nKv }) => nKv)).toEqual([0, 8]);
    const again = await collect(sweep(model, context, { now: context.now }));
    expect(again.map(({ nKv }) => nKv)).toEqual([0, 8, 16, 24, 32, 40, 48, 56]);
    expect(again.slice(0, 2)).toEqual(rows);
  });

  it("refuses a context without checkpoints, and one that not a row fits", async () => {
    const forgetful = new FakeContext(64, 8, 0);
    await expect(collect(sweep(model, forgetful))).rejects.toThrow(/came back to 0 tokens, not 8: create it with checkpoints of 1/);
    await expect(collect(sweep(model, new FakeContext(64, 8), { generated: 65 }))).rejects.toThrow(InvalidArgumentError);
    await expect(collect(sweep(model, new FakeContext(64, 8), { generated: 0 }))).rejects.toThrow(/whole number from 1, got 0/);
  });

  it("leaves a real context as if nothing had been generated between the prompts", async () => {
    using tiny = await loadModel(await tinyModel({ architecture: "qwen3next" }), { threads: 1 });
    const [swept, direct] = [await tiny.createContext(SHORT), await tiny.createContext(SHORT)];
    const decode = vi.spyOn(swept, "decode");
    await collect(sweep(tiny, swept, { generated: 3 }));
    const requests = decode.mock.calls.map(([request]) => (request as { tokens: number[] }).tokens);
    expect(requests).toHaveLength(1 + 4 * (3 + 1));
    await direct.decode({ tokens: requests.filter(({ length }) => length === 16).flat() });
    expect(await swept.save()).toEqual(await direct.save()); // KV cache, R and S, bit for bit
  });
});

describe("tandem sweep-bench", () => {
  it("prints the table as it comes, and writes it as CSV and as a drawing", () => {
    const [csv, svg] = [join(folder, "a.csv"), join(folder, "a.svg")];
    const { stdout, stderr, status } = tandem([
      ...["sweep-bench", "-m", embeddedModel, "-c", "100", "-ub", "32", "-ctk", "q8_0", "-ctv", "f32", "-t", "1", "-n", "2", "-wb"],
      ...["--csv", csv, "--svg", svg],
    ]);
    expect(status).toBe(0);
    expect(stdout.startsWith(SWEEP_HEAD)).toBe(true);
    const lines = stdout.trimEnd().split("\n").slice(2);
    expect(lines.map((line) => line.split("|").slice(1, 4).map(Number))).toEqual([
      [32, 2, 0],
      [32, 2, 32],
      [32, 2, 64],
    ]);
    expect(stderr).toMatch(/^graph nodes = \d+, graph splits = 1$/m);
    expect(stderr).toContain(
      "sweep-bench: n_kv_max = 100, n_batch = 2048, n_ubatch = 32, n_gpu_layers = 0, n_threads = 1, type_k = q8_0, type_v = f32\n",
    );
    const [head, ...records] = readFileSync(csv, "utf8").trimEnd().split("\n");
    expect(head).toBe("PP,TG,N_KV,T_PP s,S_PP t/s,T_TG s,S_TG t/s");
    const rows = records.map((record) => record.split(",").map(Number));
    for (const [pp, tg, , ppSeconds, ppSpeed, tgSeconds, tgSpeed] of rows) {
      expect(pp! / ppSeconds!).toBeCloseTo(ppSpeed!, 6);
      expect(tg! / tgSeconds!).toBeCloseTo(tgSpeed!, 6);
    }
    expect(rows.map(([, , nKv]) => nKv)).toEqual([0, 32, 64]);
    const drawing = readFileSync(svg, "utf8");
    expect(drawing).toContain("Qwen3-Next mini");
    expect(drawing).toMatch(/wasm \(.*SIMD, 1 thread\); -ub 32, -ctk q8_0, -ctv f32/);
    expect(drawing.match(/<circle /g)).toHaveLength(6);
  });

  it("--json prints one object with llama-sweep-bench's names, the table goes to stderr", () => {
    const { stdout, stderr } = tandem(["sweep-bench", "-m", embeddedModel, "-c", "16", "-ub", "8", "-t", "1", "--json"]);
    const report = JSON.parse(stdout) as { rows: Record<string, number>[] };
    expect(report).toMatchObject({ n_kv_max: 16, n_ubatch: 8, n_gpu_layers: 0, complete: true, device: expect.stringContaining("wasm") });
    expect(report.rows.map(({ pp, tg, n_kv }) => [pp, tg, n_kv])).toEqual([
      [8, 2, 0],
      [8, 2, 8],
    ]);
    for (const { t_pp, speed_pp, t_tg, speed_tg } of report.rows) {
      expect(8 / t_pp!).toBeCloseTo(speed_pp!, 6);
      expect(2 / t_tg!).toBeCloseTo(speed_tg!, 6);
    }
    expect(stderr).toContain(SWEEP_HEAD);
  });

  // Signals are a POSIX matter.
  it.skipIf(process.platform === "win32")("Ctrl-C keeps the finished rows, in every form, and exits with 130", async () => {
    const csv = join(folder, "cut.csv");
    const child = spawn(process.execPath, [
      cliPath,
      "sweep-bench",
      "-m",
      embeddedModel,
      "-c",
      "8192",
      "-ub",
      "8",
      "-t",
      "1",
      "--json",
      "--csv",
      csv,
    ]);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => (stdout += text));
    child.stderr.on("data", (text) => {
      stderr += text;
      if (!child.killed && /\| +16 \| .*\n/.test(stderr)) child.kill("SIGINT");
    });
    expect(await once(child, "close")).toEqual([130, null]);
    const report = JSON.parse(stdout) as { complete: boolean; rows: unknown[] };
    expect(report.complete).toBe(false);
    expect(report.rows.length).toBeGreaterThanOrEqual(3);
    expect(report.rows.length).toBeLessThan(1024);
    expect(readFileSync(csv, "utf8").trimEnd().split("\n")).toHaveLength(report.rows.length + 1);
    expect(stderr).toMatch(/tandem: interrupted\n$/);
  });

  it.each([
    [["--svg", join(folder, "no", "such.svg")], 1, /^tandem: --svg: .* cannot be written/],
    [["-c", "8", "-n", "9"], 1, /tandem: sweep: 9 generated tokens do not fit a context of 8/],
    [["-n", "0"], 2, /^tandem: -n\/--predict\/--n-predict: wanted a whole number from 1/],
  ])("%j exits with %i", (flags, code, message) => {
    const { stdout, stderr, status } = tandem(["sweep-bench", "-m", embeddedModel, ...flags]);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(status).toBe(code);
  });
});

describe("the drawing", () => {
  const row = (nKv: number, ppSpeed: number, tgSpeed: number): SweepRow => {
    return { pp: 512, tg: 128, nKv, ppSpeed, tgSpeed, ppSeconds: 512 / ppSpeed, tgSeconds: 128 / tgSpeed };
  };

  it("has a point a row and panel, at the places that the axes say, for light and dark", () => {
    const svg = drawSweep([row(0, 1000, 50), row(512, 500, 25)], { title: "m", subtitle: "d" });
    expect(svg.match(/<polyline points="[^"]+"/g)).toHaveLength(2);
    const [first, second] = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3" class="dot pp"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    // 1000 t/s is a tick of its own, so the top of the panel; 500 is half way to the bottom.
    const [top, bottom] = [92, 92 + 230];
    expect([first![1], second![1]]).toEqual([top, (top + bottom) / 2]);
    expect(first![0]).toBe(84);
    for (const words of ["N_KV (tokens in the KV cache)", "prompt processing (S_PP)", "text generation (S_TG)"])
      expect(svg).toContain(words);
    expect(svg.match(/tokens a second/g)).toHaveLength(2);
    expect(svg).toContain("<title>N_KV 512: 25.00 t/s</title>");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg).not.toMatch(/href|src=|NaN|Infinity/);
    expect(unclosed(svg)).toEqual([]);
  });

  it("stands a single row, no row, and a name that is markup", () => {
    for (const rows of [[], [row(0, 3, 0.002)]]) {
      const svg = drawSweep(rows, { title: '<script>"&', subtitle: "x" });
      expect(svg).not.toMatch(/<script>|NaN|Infinity/);
      expect(unclosed(svg)).toEqual([]);
    }
    expect(sweepCsv([])).toBe("PP,TG,N_KV,T_PP s,S_PP t/s,T_TG s,S_TG t/s\n");
  });
});
