import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { allocSums, STREAM_UNIT_BYTES } from "../../ts/backends/wasm/bandwidth.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { type BenchRow, benchCsv, benchHead, benchLine, benchRecord } from "../../ts/cli/bench-text.ts";
import {
  type BenchResult,
  bench,
  InvalidArgumentError,
  loadModel,
  measureCpuBandwidth,
  openGguf,
  roofSpeed,
  statistics,
} from "../../ts/index.ts";
import { tinyModel } from "../models/tiny.ts";
import { embeddedModel } from "../models/trained.ts";
import { FakeContext } from "./fake-context.ts";
import { cliPath, tandem } from "./tandem.ts";

const model = { config: { V: 100 } } as Parameters<typeof bench>[0];
const pp = (tokens: number) => ({ kind: "pp", tokens }) as const;
const tg = (tokens: number) => ({ kind: "tg", tokens }) as const;

async function collect(results: AsyncIterable<BenchResult>): Promise<BenchResult[]> {
  const all: BenchResult[] = [];
  for await (const result of results) all.push(result);
  return all;
}

describe("statistics", () => {
  it("of five, of four, of one", () => {
    const five = { mean: 4, deviation: Math.sqrt(12.5), median: 3, least: 1, most: 10 };
    expect(statistics([2, 10, 1, 3, 4])).toEqual(five);
    expect(statistics([4, 1, 3, 2]).median).toBe(2.5);
    expect(statistics([7])).toEqual({ mean: 7, deviation: 0, median: 7, least: 7, most: 7 });
  });
});

describe("bench", () => {
  it("warms up, then repeats each test on an empty sequence; only decoding is timed", async () => {
    const context = new FakeContext(64, 8);
    const tests = [pp(20), tg(18)];
    const [prompt, generation] = await collect(bench(model, context, { tests, repetitions: 2, now: context.now }));
    const ones = (count: number) => Array.from({ length: count }, (_, i) => `decode 1 at ${i}`);
    const fresh = ["clear", "settle"];
    expect(context.log).toEqual([
      ...[...fresh, "decode 20 at 0", ...fresh, "decode 20 at 0", ...fresh, "decode 20 at 0"],
      ...[...fresh, ...ones(16), ...fresh, ...ones(18), ...fresh, ...ones(18)],
    ]);
    expect(prompt).toMatchObject({ test: pp(20), speeds: [20 / 0.028, 20 / 0.028], deviation: 0, roof: undefined });
    expect(generation!.median).toBeCloseTo(18 / (0.001 * (9 * 18 + (17 * 18) / 2 / 128)), 8);
  });

  it("generates from the likeliest token where asked", async () => {
    const context = new FakeContext(64, 8);
    const [result] = await collect(bench(model, context, { tests: [tg(4)], repetitions: 1, greedy: true, now: context.now }));
    expect(new Set(context.tokens.slice(-4)).size).toBe(1); // the fake one finds the token itself likeliest
    expect(result!.speeds).toHaveLength(1);
    expect(context.log.slice(-4)).toEqual(["decode 1 at 0", "decode 1 at 1", "decode 1 at 2", "decode 1 at 3"]);
  });

  it("keeps what was done before an abort, and can be run again", async () => {
    const context = new FakeContext(64, 8);
    const stop = new AbortController();
    context.onDecode = (count) => void (count === 8 && stop.abort(new Error("enough")));
    const results: BenchResult[] = [];
    const options = { tests: [pp(4), tg(4)], repetitions: 3, now: context.now };
    const stopped = (async () => {
      for await (const result of bench(model, context, { ...options, signal: stop.signal })) results.push(result);
    })();
    await expect(stopped).rejects.toThrow("enough");
    expect(results.map(({ test }) => test)).toEqual([pp(4)]);
    expect(await collect(bench(model, context, options))).toHaveLength(2);
  });

  it("refuses numbers that cannot be", async () => {
    const run = (tests: Parameters<typeof bench>[2]["tests"], repetitions = 1) =>
      collect(bench(model, new FakeContext(64, 8), { tests, repetitions }));
    await expect(run([pp(65)])).rejects.toThrow("bench: pp must have a whole number of tokens from 1 to the context's 64, got 65");
    await expect(run([tg(0)])).rejects.toThrow(InvalidArgumentError);
    await expect(run([pp(8)], 0)).rejects.toThrow(/repetitions must be a whole number from 1, got 0/);
  });
});

describe("the roof", () => {
  it("counts a run's weights once, for full ubatches and the rest", () => {
    const context = new FakeContext(64, 8); // 1000 bytes and 10 a token
    expect(roofSpeed(context, { wasm: 1010 }, 128, 1)).toBeCloseTo(1, 12);
    expect(roofSpeed(context, { wasm: 1e6 }, 20, 8)).toBeCloseTo(20 / ((2 * 1080 + 1040) / 1e6), 6);
    expect(roofSpeed(context, {}, 20, 8)).toBeUndefined();
    const two = { activeBytes: () => new Map(Object.entries({ wasm: 100, webgpu: 300 })) };
    expect(roofSpeed(two, { wasm: 1000, webgpu: 2000 }, 4, 1)).toBeCloseTo(1 / (0.1 + 0.15), 12);
  });

  it("knows which weights a token reads: a row of the embedding, the experts that are used, all else", async () => {
    const bytes = await tinyModel({ architecture: "qwen3next" });
    using tiny = await loadModel(bytes, { threads: 1 });
    using context = await tiny.createContext({ contextLength: 16 });
    const { X, U, V, L } = tiny.config;
    const file = await openGguf(bytes);
    const sum = (name: RegExp) => [...file.tensors.values()].reduce((total, one) => total + (name.test(one.name) ? one.bytes : 0), 0);
    const [all, embedding, experts] = [sum(/./), sum(/^token_embd/), sum(/_exps\./)];
    expect([L, X > U, experts > 0]).toEqual([expect.any(Number), true, true]);
    const active = (share: number, rows: number) => all - embedding - experts + share * experts + (rows * embedding) / V;
    expect(context.activeBytes().get("wasm")).toBeCloseTo(active(U / X, 1), 3);
    expect(context.activeBytes(2).get("wasm")).toBeCloseTo(active(1 - (1 - U / X) ** 2, 2), 3);
    expect(context.activeBytes(1e6).get("wasm")).toBeCloseTo(all, 3);
    expect(tiny.parameters).toBe(all / 4); // F32
  });

  it("is measured by reading memory: every byte once, on all threads", async () => {
    const backend = await WasmBackend.create({ threads: 2 });
    const units = 37;
    const data = backend.alloc(units * STREAM_UNIT_BYTES);
    const words = new Int32Array(data.bytes / 4).map((_, i) => Math.imul(i, 2654435761));
    backend.write(data, 0, new Uint8Array(words.buffer));
    const sums = allocSums(backend, data);
    backend.streamRead(data, sums);
    const read = new Int32Array((await backend.read(sums, 0, 4 * units)).buffer);
    const perUnit = STREAM_UNIT_BYTES / 4;
    const wanted = Array.from({ length: units }, (_, u) => words.subarray(u * perUnit, (u + 1) * perUnit).reduce((a, b) => (a + b) | 0, 0));
    expect([...read]).toEqual(wanted);
    backend.close();
    const { threads, bytesPerSecond } = await measureCpuBandwidth({ threads: 1 });
    expect(threads).toBe(1);
    expect(bytesPerSecond).toBeGreaterThan(0);
    expect(bytesPerSecond).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

describe("the table", () => {
  const row = {
    path: 'a "b".gguf',
    model: {
      ...{ name: "Some | model", weightBytes: 3 * 2 ** 29, parameters: 35_210_000, device: "wasm, 2 threads", gpuLayers: 0, threads: 2 },
      config: { architecture: "qwen3next" },
    },
    context: { shape: new FakeContext(600, 512).shape, graphInfo: { nodes: 9, splits: 1 } },
    batch: 2048,
    bandwidth: { wasm: 2e10 },
    activeBytes: 1e6,
    result: { test: pp(512), speeds: [100, 110, 120], ...statistics([100, 110, 120]), roof: 1000 },
  } as unknown as BenchRow;

  it("has llama-bench's columns, then median, range and the fraction of the roof", () => {
    expect(benchHead() + benchLine(row)).toBe(
      `| model                          |       size |     params | backend     | ngl | threads | n_ubatch |            test |                  t/s |    median |           min … max | of roof |
| ------------------------------ | ---------: | ---------: | ----------- | --: | ------: | -------: | --------------: | -------------------: | --------: | ------------------: | ------: |
| Some / model                   |   1.50 GiB |    35.21 M | wasm        |   0 |       2 |      512 |           pp512 |       110.00 ± 10.00 |    110.00 |     100.00 … 120.00 |  11.0 % |
`,
    );
    const noRoof = { ...row, result: { ...row.result, roof: undefined } };
    expect(benchLine(noRoof)).toMatch(/\| {9}\|\n$/);
  });

  it("is a record with llama-bench's names, and a line of CSV", () => {
    expect(benchRecord(row)).toMatchObject({
      ...{ model_filename: 'a "b".gguf', n_prompt: 512, n_gen: 0, n_batch: 2048, n_ubatch: 512, n_threads: 2, type_k: "f16" },
      ...{ avg_ts: 110, stddev_ts: 10, median_ts: 110, roof_ts: 1000, gpu_bytes_per_second: null, samples_ts: [100, 110, 120] },
    });
    const [head, line, end] = benchCsv([row]).split("\n");
    expect(head!.split(",").slice(0, 3)).toEqual(["model_filename", "model_type", "model_size"]);
    expect(line).toMatch(/^"a ""b"".gguf","qwen3next Some \| model",1610612736,35210000,"wasm, 2 threads",2048,/);
    expect(line!.replaceAll(/"([^"]|"")*"/g, "").split(",")).toHaveLength(head!.split(",").length);
    expect(end).toBe("");
  });
});

describe("tandem bench", () => {
  const quick = ["bench", "-m", embeddedModel, "-r", "2"];

  it("measures all combinations and prints one JSON array, the table on stderr", () => {
    const { stdout, stderr, status } = tandem([...quick, "-p", "8,16", "-n", "2", "-t", "1", "-ub", "4,8", "-ctk", "q8_0", "--json"]);
    expect(status).toBe(0);
    const records = JSON.parse(stdout) as ReturnType<typeof benchRecord>[];
    expect(records.map(({ n_prompt, n_gen, n_ubatch }) => [n_prompt, n_gen, n_ubatch])).toEqual([
      ...[8, 16, 0].map((n) => [n, n ? 0 : 2, 4]),
      ...[8, 16, 0].map((n) => [n, n ? 0 : 2, 8]),
    ]);
    for (const record of records) {
      expect(record).toMatchObject({ n_threads: 1, type_k: "q8_0", type_v: "f16", n_gpu_layers: 0, graph_splits: 1 });
      expect(record.samples_ts).toHaveLength(2);
      expect(record.avg_ts).toBeCloseTo((record.samples_ts[0]! + record.samples_ts[1]!) / 2, 6);
      expect(record.roof_ts).toBeGreaterThan(0);
    }
    const generation = records[2]!;
    expect(generation.roof_ts).toBeCloseTo(generation.cpu_bytes_per_second! / generation.active_bytes, 6);
    expect(stderr).toContain(benchHead());
    expect(stderr).toMatch(/^graph nodes = \d+, graph splits = 1$/m);
    expect(stderr).toMatch(/^bench: -ub 4, a token reads [\d.]+ MB of [\d.]+ MB of weights, CPU \(1 thread\) streams [\d.]+ GB\/s$/m);
  });

  it("prints the table, or CSV", () => {
    const { stdout } = tandem([...quick, "-p", "0", "-n", "3", "-t", "1", "--greedy"]);
    expect(stdout.startsWith(benchHead())).toBe(true);
    expect(stdout).toMatch(/\| +tg3 \| +[\d.]+ ± [\d.]+ \| +[\d.]+ \| +[\d.]+ … [\d.]+ \| +[\d.]+ % \|\n$/);
    const csv = tandem([...quick, "-p", "4", "-n", "0", "-t", "1", "-o", "csv"])
      .stdout.trimEnd()
      .split("\n");
    expect(csv).toHaveLength(2);
    expect(csv[0]).toMatch(/^model_filename,/);
  });

  // Signals are a POSIX matter.
  it.skipIf(process.platform === "win32")("Ctrl-C keeps the finished tests and exits with 130", async () => {
    const args = [cliPath, ...quick, "-p", "8", "-n", "100000", "-t", "1", "-o", "json"];
    const child = spawn(process.execPath, args);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => {
      stdout += text;
    });
    child.stderr.on("data", (text) => {
      stderr += text;
      if (!child.killed && stderr.includes(" pp8 ")) child.kill("SIGINT");
    });
    expect(await once(child, "close")).toEqual([130, null]);
    expect((JSON.parse(stdout) as object[]).length).toBe(1);
  });

  it.each([
    [["-p", "0", "-n", "0"], 2, /^tandem: -p, -n: wanted at least one number above 0/],
    [["-t", "1,x"], 2, /^tandem: -t\/--threads: wanted a whole number from 1 to 64 \(more after commas\), got "1,x"/],
    [["-o", "sql"], 2, /^tandem: -o\/--output: wanted md, csv or json, got "sql"/],
    [["-m", "nowhere.gguf", "--json"], 1, /nowhere\.gguf: cannot be opened/],
  ])("%j exits with %i", (flags, code, message) => {
    const { stdout, stderr, status } = tandem(["bench", ...flags]);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(status).toBe(code);
  });
});
