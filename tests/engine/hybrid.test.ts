import { afterAll, describe, expect, it } from "vitest";
import type { Backend, BackendBuffer, Location, Plan } from "../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { Context } from "../../ts/engine/context.ts";
import { type ContextOptions, resolveContext } from "../../ts/engine/context-options.ts";
import { examine } from "../../ts/engine/examine.ts";
import { type Machine, oneBackend, targetOf } from "../../ts/engine/machine.ts";
import { type PlacementOptions, placementPins } from "../../ts/engine/placement.ts";
import { uploadWeights } from "../../ts/engine/upload.ts";
import { BackendError, DisposedError, SplitBudgetError } from "../../ts/errors.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import type { Tensor } from "../../ts/graph/tensor.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { buildModel } from "../../ts/models/architecture.ts";
import type { Config } from "../../ts/models/config.ts";
import { tinyModel } from "../models/tiny.ts";
import { worst } from "../models/trained.ts";

const wasm = [await WasmBackend.create({ threads: 1 }), await WasmBackend.create({ threads: 1 })] as const;
afterAll(() => wasm.forEach((backend) => void backend.close()));

const model = await tinyModel({ architecture: "qwen3next", seed: 4 });
const dense = await tinyModel({ architecture: "qwen35", seed: 5 });
const TOKENS = Array.from({ length: 40 }, (_, i) => (i * 89 + 7) % 300);

interface Where extends PlacementOptions {
  readonly gpuLayers: number;
}

/** The second backend stands for a GPU. */
function hybrid(backends: readonly [Backend, Backend], where: Where, config: Config, placesValues: boolean): Machine {
  const [cpu, gpu] = backends.map((one, i) => targetOf({ name: i === 0 ? "wasm" : "webgpu", supports: (node) => one.supports(node) }));
  const second = placesValues ? selfPlacing(backends[1]) : backends[1];
  const pins = placementPins(config, where, where.gpuLayers);
  return { backends: [backends[0], second], targets: [cpu!, { ...gpu!, placesValues }], pins, maxSplits: where.maxSplits };
}

/**
 * Finds memory of its own for values that the scheduler gives none, as a GPU does, and spoils it before each run: nothing may rely on it
 * from outside the split.
 */
function selfPlacing(inner: Backend): Backend {
  const own = new Map<Plan, readonly BackendBuffer[]>();
  return with_(inner, {
    async prepare(split) {
      const locations = new Map<Tensor, Location>(split.locations);
      const buffers: BackendBuffer[] = [];
      for (const { storage } of split.nodes.flatMap((node) => Object.values(node.outputs))) {
        if (locations.has(storage)) continue;
        expect(split.keep!.has(storage)).toBe(false);
        const buffer = inner.alloc(tensorBytes(storage, split.max));
        buffers.push(buffer);
        locations.set(storage, { buffer, offset: 0 });
      }
      const plan = await inner.prepare({ ...split, locations });
      own.set(plan, buffers);
      return plan;
    },
    run(plan, dims) {
      for (const buffer of own.get(plan)!) inner.write(buffer, 0, new Uint8Array(buffer.bytes).fill(255)); // NaN
      inner.run(plan, dims);
    },
  });
}

/** A backend with some of its methods replaced. */
function with_(inner: Backend, replaced: Partial<Backend>): Backend {
  return new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(property in replaced ? replaced : target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function contextOf(bytes: Uint8Array, machineOf: (config: Config) => Machine, options: ContextOptions = {}): Promise<Context> {
  const file = await openGguf(bytes);
  const { architecture, config, graph } = examine(file);
  const machine = machineOf(config);
  const weights = await uploadWeights(graph.weights, machine);
  const resolved = resolveContext(config, { contextLength: 64, ubatch: 7, cacheTypeK: "f32", cacheTypeV: "f32", ...options });
  const built = buildModel(architecture, file, config, resolved.shape);
  return Context.create({ config, graph: built, machine, weights, fingerprint: "test" }, resolved, () => {});
}

const alone = (bytes: Uint8Array, backend: Backend, options?: ContextOptions) => contextOf(bytes, () => oneBackend(backend), options);

/** Prefill in ubatches, several sequences beside each other, decoding: rows of logits. */
async function story(context: Context): Promise<Float32Array[]> {
  const rows = await context.decode({ tokens: TOKENS.slice(0, 17), logits: [0, 8, 16] });
  for (const token of TOKENS.slice(17, 20)) rows.push(...(await context.decode({ tokens: [token] })));
  await context.decode({ tokens: TOKENS.slice(5, 14), sequence: 1, logits: "none" });
  const both = () => [
    { tokens: TOKENS.slice(20, 23), sequence: 0 },
    { tokens: TOKENS.slice(30, 32), sequence: 1 },
  ];
  for (let i = 0; i < 3; i++) rows.push(...(await context.decode(both())));
  return rows;
}

const PLACES: readonly (readonly [string, Where])[] = [
  ["nothing", { gpuLayers: 0 }],
  ["one layer", { gpuLayers: 1 }],
  ["half", { gpuLayers: 2 }],
  ["all", { gpuLayers: 4 }],
  ["all but the experts", { gpuLayers: 4, cpuExperts: true }],
  ["all but the first layer's experts", { gpuLayers: 4, cpuExperts: 1 }],
  ["half without experts, in few splits", { gpuLayers: 2, cpuExperts: true, maxSplits: 7 }],
  ["the first layer", { gpuLayers: 0, tensorOverrides: [{ pattern: "^blk\\.0\\.", device: "gpu" }] }],
  ["all but attention", { gpuLayers: 4, tensorOverrides: [{ pattern: /attn_/, device: "cpu" }] }],
  ["feed forward and head", { gpuLayers: 0, tensorOverrides: [{ pattern: "ffn_|^output", device: "gpu" }] }],
  ["the delta nets' states", { gpuLayers: 0, tensorOverrides: [{ pattern: "ssm_(a$|conv1d)", device: "gpu" }] }],
];

describe.each(PLACES)("on the second device: %s", (_, where) => {
  it.each([false, true])("two WASM backends give the bits of one (places values itself: %s)", async (placesValues) => {
    for (const bytes of [model, dense]) {
      if (bytes === dense && where.maxSplits !== undefined) continue; // counted for a model with experts
      using one = await alone(bytes, wasm[0], { sequences: 2 });
      using two = await contextOf(bytes, (config) => hybrid(wasm, where, config, placesValues), { sequences: 2 });
      const [want, got] = [await story(one), await story(two)];
      expect(got).toHaveLength(want.length);
      got.forEach((row, i) => void expect(worst(row, want[i]!)).toBe(0));
    }
  });

  it.each([false, true])("WASM and the reference agree with WASM (places values itself: %s)", async (placesValues) => {
    using one = await alone(model, wasm[0], { sequences: 2 });
    using two = await contextOf(model, (config) => hybrid([wasm[0], new ReferenceBackend()], where, config, placesValues), {
      sequences: 2,
    });
    const [want, got] = [await story(one), await story(two)];
    got.forEach((row, i) => void expect(worst(row, want[i]!)).toBeLessThan(1e-3));
  });
});

describe("memory across devices", () => {
  const split: Where = { gpuLayers: 2, cpuExperts: true };
  const open = (where: Where, options: ContextOptions = {}) => contextOf(model, (config) => hybrid(wasm, where, config, true), options);
  const same = (a: Float32Array | undefined, b: Float32Array | undefined) => expect(worst(a!, b!)).toBe(0);

  it("checkpoint and rewind", async () => {
    using one = await alone(model, wasm[0]);
    const want = await one.decode({ tokens: TOKENS, logits: "all" });
    using two = await open(split);
    await two.decode({ tokens: TOKENS.slice(0, 12), logits: "none" });
    await two.checkpoint();
    same((await two.decode({ tokens: TOKENS.slice(12, 30) }))[0], want[29]);
    expect(await two.rewind(20)).toBe(12);
    same((await two.decode({ tokens: TOKENS.slice(12, 25) }))[0], want[24]);
    await two.clear();
    same((await two.decode({ tokens: TOKENS.slice(0, 9) }))[0], want[8]);
  });

  it("what one placement saves another loads", async () => {
    using one = await alone(model, wasm[0], { sequences: 2 });
    const want = await one.decode({ tokens: TOKENS, logits: "all" });
    using two = await open(split, { sequences: 2 });
    await two.decode({ tokens: TOKENS.slice(0, 20), sequence: 1, logits: "none" });
    const saved = await two.save(1);
    await one.clear();
    await one.load(saved, 0);
    same((await one.decode({ tokens: TOKENS.slice(20, 22) }))[0], want[21]);
    using three = await open({ gpuLayers: 3, tensorOverrides: [{ pattern: "ssm_", device: "cpu" }] });
    await three.load(await one.save(0), 0);
    same((await three.decode({ tokens: TOKENS.slice(22, 25) }))[0], want[24]);
    await two.load(await three.save(0), 0);
    same((await two.decode({ tokens: TOKENS.slice(25, 26), sequence: 0 }))[0], want[25]);
  });

  it("residuals and hidden states are read where they were made", async () => {
    using one = await alone(model, wasm[0], { keepResiduals: true });
    using two = await open(split, { keepResiduals: true });
    for (const context of [one, two]) await context.decode({ tokens: TOKENS.slice(0, 6) });
    for (let layer = 0; layer <= 4; layer++) same(await two.readResidual(layer), await one.readResidual(layer));
    same(await two.readHidden(), await one.readHidden());
  });

  it("splits are counted, and a budget too small is refused before anything is allocated", async () => {
    using two = await open({ gpuLayers: 2 });
    expect(two.graphInfo.splits).toBe(3);
    await expect(open({ gpuLayers: 2, maxSplits: 2 })).rejects.toThrow(SplitBudgetError);
  });
});

describe("failures between devices", () => {
  const where: Where = { gpuLayers: 2 };

  it("a device that fails half way: its sequences go back to their checkpoints, and the next decode is right", async () => {
    let failing = false;
    const second = with_(wasm[1], {
      read: (...args) => (failing ? Promise.reject(new BackendError("gone")) : wasm[1].read(...args)),
    });
    using one = await alone(model, wasm[0]);
    const want = await one.decode({ tokens: TOKENS, logits: "all" });
    using two = await contextOf(model, (config) => hybrid([wasm[0], second], where, config, true));
    await two.decode({ tokens: TOKENS.slice(0, 10), logits: "none" });
    await two.checkpoint();
    await two.decode({ tokens: TOKENS.slice(10, 14), logits: "none" });
    failing = true;
    await expect(two.decode({ tokens: TOKENS.slice(14, 16) })).rejects.toThrow("gone");
    failing = false;
    expect(two.length()).toBe(10);
    expect(worst((await two.decode({ tokens: TOKENS.slice(10, 16) }))[0]!, want[15]!)).toBe(0);
  });

  it("a context that is disposed while a value crosses touches its memory no more", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let disposed = false;
    const touched: string[] = [];
    const watch = (inner: Backend, slow: boolean) =>
      with_(inner, {
        read: async (...args) => {
          if (slow) await held;
          return inner.read(...args);
        },
        write: (...args) => {
          if (disposed) touched.push("write");
          inner.write(...args);
        },
        run: (...args) => {
          if (disposed) touched.push("run");
          inner.run(...args);
        },
      });
    const two = await contextOf(model, (config) => hybrid([watch(wasm[0], true), watch(wasm[1], false)], where, config, false));
    const running = two.decode({ tokens: TOKENS.slice(0, 5) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    two.dispose();
    disposed = true;
    release();
    await expect(running).rejects.toThrow(DisposedError);
    expect(touched).toEqual([]);
  });
});
