import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Timeline } from "../../ts/backends/backend.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { Context } from "../../ts/engine/context.ts";
import { resolveContext } from "../../ts/engine/context-options.ts";
import { examine } from "../../ts/engine/examine.ts";
import { targetOf } from "../../ts/engine/machine.ts";
import { placementPins } from "../../ts/engine/placement.ts";
import { uploadWeights } from "../../ts/engine/upload.ts";
import { InvalidArgumentError } from "../../ts/errors.ts";
import type { Graph } from "../../ts/graph/graph.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { buildModel } from "../../ts/models/architecture.ts";
import { layerKinds } from "../../ts/profile/layer-kind.ts";
import { type Profile, Profiler } from "../../ts/profile/profiler.ts";
import { printProfile } from "../../ts/profile/report.ts";
import { nodeCost, type PhaseProfile } from "../../ts/profile/summary.ts";
import { chromeTrace, type TraceEvent } from "../../ts/profile/trace.ts";
import { contextOn, tinyModel } from "../models/tiny.ts";

const THREADS = 2;
const PROMPT = Array.from({ length: 12 }, (_, i) => (i * 89 + 7) % 300);
const ANSWER = [5, 250, 31];
/** Clocks of threads agree to less than this: half a microsecond was measured in Node, 5 µs is what browsers round to. */
const CLOCK_MS = 0.01;

let backend: WasmBackend;
let timed: Context;
let graph: Graph;
let model: Parameters<typeof layerKinds>[0];
let profile: Profile;
let logits: Float32Array[];

/** A prompt, then token by token. */
async function decodeAll(context: Context): Promise<Float32Array[]> {
  const rows = await context.decode({ tokens: PROMPT, logits: "all" });
  for (const token of ANSWER) rows.push(...(await context.decode({ tokens: [token] })));
  return rows;
}

beforeAll(async () => {
  backend = await WasmBackend.create({ threads: THREADS });
  const bytes = await tinyModel({ architecture: "qwen3next", quant: "Q8_0", seed: 3 });
  const { context, parts } = await contextOn(backend, bytes, { profile: true });
  timed = context;
  model = parts.graph;
  graph = parts.graph.graph;
  logits = await decodeAll(context);
  profile = await context.profile();
});
afterAll(() => backend.close());

const timelines = () => profile.runs.flatMap((run) => run.timelines);

describe("a profile", () => {
  it("has every node of the graph in every run, once, and the steps that prepare for it", () => {
    const nodes = graph.nodes.map(({ name }) => name).sort();
    expect(timelines()).toHaveLength(1 + ANSWER.length);
    for (const { steps, times } of timelines()) {
      const whole = steps.filter(({ share }) => share === 1).flatMap((step) => step.nodes.map(({ name }) => name));
      expect(whole.sort()).toEqual(nodes);
      expect(steps.some(({ kernel, share }) => kernel === "quantize" && share === 0)).toBe(true);
      expect(times).toHaveLength(THREADS * (steps.length + 1) * 2);
    }
  });

  it("adds up: parts to the wall time, rows to ops and barriers", () => {
    expect(profile.phases.map(({ phase, runs, tokens }) => [phase, runs, tokens])).toEqual([
      ["prefill", 1, PROMPT.length],
      ["decode", ANSWER.length, ANSWER.length],
    ]);
    for (const { wall, ops, barriers, idle, js, crossing, read, between, rows } of profile.phases) {
      for (const part of [ops, barriers, js, read]) expect(part).toBeGreaterThan(0);
      for (const part of [idle, between]) expect(part).toBeGreaterThanOrEqual(0);
      expect(crossing).toBe(0);
      expect(ops + barriers + idle + js + crossing + read + between).toBeCloseTo(wall, 6);
      expect(rows.reduce((sum, { time, wait }) => sum + time + wait, 0)).toBeCloseTo(ops + barriers, 6);
    }
  });

  it("no thread runs backwards, or leaves a barrier before the last one has come", () => {
    for (const timeline of timelines()) {
      const rows = timeline.steps.length + 1;
      const thread = (t: number) => timeline.times.subarray(2 * rows * t, 2 * rows * (t + 1));
      for (let t = 0; t < THREADS; t++) expect(thread(t).every((time, i, all) => i === 0 || time >= all[i - 1]!)).toBe(true);
      const barriers = Array.from({ length: rows }, (_, i) => 2 * i).filter((at) => thread(0)[at + 1]! > thread(0)[at]!);
      expect(barriers.length).toBeGreaterThan(10);
      for (const at of barriers) {
        const last = Math.max(thread(0)[at]!, thread(1)[at]!);
        for (let t = 0; t < THREADS; t++) expect(thread(t)[at + 1]!).toBeGreaterThan(last - CLOCK_MS);
      }
    }
  });

  it("changes no result, and costs nothing where it is off: the clock is not read once", async () => {
    const { context } = await contextOn(backend, await tinyModel({ architecture: "qwen3next", quant: "Q8_0", seed: 3 }));
    const clock = vi.spyOn(performance, "now");
    try {
      expect(await decodeAll(context)).toEqual(logits);
      expect(clock).not.toHaveBeenCalled();
      timed.clear();
      await timed.decode({ tokens: [1] });
      expect(clock.mock.calls.length).toBeGreaterThan(timelines()[0]!.steps.length);
    } finally {
      clock.mockRestore();
    }
    await expect(context.profile()).rejects.toThrow(InvalidArgumentError);
    context.dispose();
  });

  it("is of the runs since the last one, and leaves no memory taken", async () => {
    await timed.profile();
    const before = backend.usedBytes;
    await timed.decode({ tokens: ANSWER });
    expect(backend.usedBytes - before).toBeLessThan(128 * 200 * 2); // the new program of T = 3
    const bytes = backend.usedBytes;
    await timed.decode({ tokens: ANSWER });
    expect(backend.usedBytes).toBe(bytes);
    expect((await timed.profile()).phases.map(({ phase, runs }) => [phase, runs])).toEqual([["prefill", 2]]);
    expect((await timed.profile()).phases).toEqual([]);
  });

  it("prints tables of parts, kinds of layers and kernels, with rates for matmuls only", () => {
    const text = printProfile(profile);
    expect(text).toMatch(/^prefill: 12 token\(s\) in 1 run\(s\), [\d.]+ ms, [\d.]+ t\/s$/m);
    expect(text).toMatch(/^decode: 3 token\(s\) in 3 run\(s\)/m);
    for (const kind of ["attention", "recurrent", "moe", "output", "embedding"])
      expect(text).toMatch(new RegExp(`^${kind}, wasm +\\d+ `, "m"));
    expect(text).toMatch(/^matmul Q8_0, recurrent( +[\d.]+){2} +[\d.]+ %( +[\d.]+){3}$/m);
    expect(text).toMatch(/^gated_delta, recurrent( +[\d.]+){2} +[\d.]+ % +[\d.]+$/m);
  });
});

describe("of a model on two devices", () => {
  it("has the crossings between them apart from JavaScript", async () => {
    const other = await WasmBackend.create({ threads: 1 });
    const file = await openGguf(await tinyModel({ architecture: "qwen35", seed: 3 }));
    const parts = examine(file);
    const pins = placementPins(parts.config, {}, 1);
    const backends = [backend, other];
    const targets = ["wasm", "webgpu"].map((name) => ({ ...targetOf({ name, supports: () => true }), placesValues: false }));
    const machine = { backends, targets, pins };
    const weights = await uploadWeights(parts.graph.weights, machine);
    const resolved = resolveContext(parts.config, { contextLength: 64, profile: true });
    const built = buildModel(parts.architecture, file, parts.config, resolved.shape);
    using context = await Context.create({ config: parts.config, graph: built, machine, weights, fingerprint: "test" }, resolved, () => {});
    await context.decode({ tokens: PROMPT });
    const { phases, runs } = await context.profile();
    expect(runs[0]!.timelines.map(({ threads }) => threads)).toEqual([THREADS, 1, THREADS].slice(0, context.graphInfo.splits));
    expect(runs[0]!.laps.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["inputs", "crossing", "run", "read"]));
    const [{ wall, ops, barriers, idle, js, crossing, read, rows }] = phases as [PhaseProfile];
    expect(crossing).toBeGreaterThan(0);
    expect(ops + barriers + idle + js + crossing + read).toBeCloseTo(wall, 6);
    expect(new Set(rows.map(({ layerKind }) => layerKind))).toEqual(new Set(["embedding", "attention", "recurrent", "ffn", "output"]));
    other.close();
  });
});

describe("the Chrome trace", () => {
  it("is JSON with a track a thread, whose events follow each other inside of their run", () => {
    const { traceEvents } = JSON.parse(chromeTrace(profile)) as { traceEvents: TraceEvent[] };
    const names = traceEvents.filter(({ ph }) => ph === "M").map(({ tid, args }) => [tid, args!.name]);
    expect(names).toEqual([
      [0, "engine and CPU thread 0"],
      [1, "CPU thread 1"],
    ]);
    const spans = traceEvents.filter(({ ph }) => ph === "X");
    const runs = spans.filter(({ cat }) => cat === "run");
    expect(runs.map(({ name }) => name)).toEqual(["prefill", ...ANSWER.map(() => "decode")]);
    for (const tid of [0, 1]) {
      const mine = spans.filter((one) => one.tid === tid && one.cat !== "run" && one.cat !== "engine");
      expect(mine.filter(({ name }) => name === "gated_delta")).toHaveLength(4 * 3); // 4 runs, 3 delta nets
      mine.forEach(({ ts, dur }, i) => {
        expect(dur).toBeGreaterThanOrEqual(0);
        const next = mine[i + 1];
        if (next) expect(ts! + dur!).toBeLessThan(next.ts! + 0.003); // rounded to the nanosecond
        expect(runs.some((run) => ts! >= run.ts! && ts! + dur! <= run.ts! + run.dur! + 1000 * CLOCK_MS)).toBe(true);
      });
    }
  });
});

describe("parts of it", () => {
  it("tells the kind of layer from a node's name, joined names too", () => {
    const kindOf = layerKinds(model);
    const attention = model.layers.findIndex(({ kind }) => kind === "attention");
    const kinds = (...names: string[]) => names.map((name) => kindOf({ name }));
    expect(kinds("embedding", "l_out_wanted", "result_norm", "result_output", "likeliest")).toEqual([
      "embedding",
      ...Array(4).fill("output"),
    ]);
    expect(kinds("attn_norm-0", "qkv-0", "qkv-0 + z-0", "delta_out-0", "attn_residual-0")).toEqual(Array(5).fill("recurrent"));
    expect(kinds(`q-${attention}`, `attn_out-${attention}`)).toEqual(["attention", "attention"]);
    expect(kinds("attn_post_norm-0", "ffn_moe-0", "shexp_gated-0", "ffn_gate_shexp-0 + ffn_up_shexp-0", "l_out-0")).toEqual(
      Array(5).fill("moe"),
    );
  });

  it("counts a matmul's weights in their format", () => {
    const node = graph.nodes.find(({ name }) => name === "delta_out-0")!;
    const [N, K] = node.inputs.w!.shape as [number, number];
    expect(nodeCost(node, { T: 2, O: 1 })).toEqual({ flops: 4 * N * K, bytes: (34 / 32) * N * K + 4 * 2 * (N + K) });
    const experts = graph.nodes.find(({ name }) => name === "ffn_moe_down-0")!;
    const [X, E, F] = experts.inputs.w!.shape as [number, number, number];
    const U = experts.inputs.ids!.shape[1] as number;
    const rows = (T: number) => Math.min(T * U, X) * E * F * (34 / 32) + 4 * T * U * (E + F);
    expect(nodeCost(experts, { T: 1, O: 1 }).bytes).toBe(rows(1));
    expect(nodeCost(experts, { T: 64, O: 1 }).bytes).toBe(rows(64));
  });

  it("keeps a GPU's times apart: they pass while the engine waits", async () => {
    const profiler = new Profiler(model);
    const nodes = graph.nodes.filter(({ name }) => name === "qkv-0" || name === "z-0");
    const step = { kernel: "merged matmul vec Q8_0 774x96", nodes, share: 1 };
    profiler.begin("decode", 1);
    const now = performance.now();
    const times = Float64Array.from([0, 0, 3, 5, 9, 9], (time) => now + time); // two steps of 3 and 4 ms, 2 ms between them
    profiler.record(Promise.resolve({ backend: "webgpu", dims: { T: 1, O: 1 }, steps: [step, step], threads: 1, times }));
    profiler.lap("run");
    profiler.end();
    const result = await profiler.take();
    const [{ wall, ops, js, gpu, gpuGaps, rows }] = result.phases as [PhaseProfile];
    expect([ops, js]).toEqual([0, wall]);
    expect(gpu).toBeCloseTo(7, 6);
    expect(gpuGaps).toBeCloseTo(2, 6);
    const flops = 2 * nodes.reduce((sum, node) => sum + nodeCost(node, { T: 1, O: 1 }).flops, 0);
    expect(rows).toMatchObject([{ kernel: step.kernel, node: "qkv + z", layerKind: "recurrent", format: "Q8_0", calls: 2, flops }]);
    expect(printProfile(result)).toMatch(/^merged matmul vec Q8_0 774x96, recurrent +2 +7\.00 /m);
    const { traceEvents } = JSON.parse(chromeTrace(result)) as { traceEvents: TraceEvent[] };
    expect(traceEvents.filter(({ ph, tid }) => ph === "X" && tid === 1000).map(({ name }) => name)).toEqual([
      step.kernel,
      "gap",
      step.kernel,
    ]);
  });

  it("forgets a run that failed, and says when there were too many to keep", async () => {
    const profiler = new Profiler(model);
    const big: Timeline = { backend: "wasm", dims: { T: 1, O: 1 }, steps: [], threads: 1, times: new Float64Array(2 ** 20) };
    profiler.begin("decode", 1); // and fails
    for (let i = 0; i < 4; i++) {
      profiler.begin("decode", 1);
      profiler.record(big);
      profiler.end();
    }
    profiler.note("a note");
    profiler.note("a note");
    const { phases, notes } = await profiler.take();
    expect(phases.map(({ runs }) => runs)).toEqual([2]);
    expect(notes).toEqual(["a note", "2 later run(s) were not recorded: there were too many to keep"]);
  });
});
