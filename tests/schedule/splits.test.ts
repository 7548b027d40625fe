import { describe, expect, it } from "vitest";
import { resolveContext } from "../../ts/engine/context-options.ts";
import { examine } from "../../ts/engine/examine.ts";
import { scheduleModel } from "../../ts/engine/executor.ts";
import { targetOf } from "../../ts/engine/machine.ts";
import { type PlacementOptions, placementPins } from "../../ts/engine/placement.ts";
import { SplitBudgetError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";
import { buildModel, type ModelGraph } from "../../ts/models/architecture.ts";
import type { Config } from "../../ts/models/config.ts";
import type { Schedule } from "../../ts/schedule/schedule.ts";
import type { SynthOptions } from "../../ts/synth/index.ts";
import { random } from "../conformance/weights.ts";
import { embeddedModel } from "../models/trained.ts";
import { headerOnly } from "../synth/header.ts";

interface Shapes {
  readonly config: Config;
  readonly model: ModelGraph;
}

async function shapesOf(name: string): Promise<Shapes> {
  const file = name === "embedded" ? await openGguf(embeddedModel) : await headerOnly({ preset: name as SynthOptions["preset"] });
  const { architecture, config } = examine(file);
  const shapes = { config, model: buildModel(architecture, file, config, resolveContext(config).shape) };
  await file.close();
  return shapes;
}

const targets = ["wasm", "webgpu"].map((name) => targetOf({ name, supports: () => true }));

function scheduled({ config, model }: Shapes, { gpuLayers, ...options }: PlacementOptions & { gpuLayers: number }): Schedule {
  const machine = { targets, pins: placementPins(config, options, gpuLayers), maxSplits: options.maxSplits };
  return scheduleModel(model, machine, { T: 512, O: 64 });
}

const NAMES = ["embedded", "qwen35-0.8b", "qwen35-9b", "qwen35moe-35b-a3b", "qwen3next-80b-a3b"] as const;
const EXPERTS = ["embedded", "qwen35moe-35b-a3b", "qwen3next-80b-a3b"] as const;
const firstLayers = (n: number) => [{ pattern: `^blk\\.(${Array.from({ length: n }, (_, i) => i).join("|")})\\.`, device: "gpu" as const }];

describe("splits of real shapes", () => {
  it.each(NAMES)("%s: one device, all layers, the first n, the last n", async (name) => {
    const shapes = await shapesOf(name);
    const { L } = shapes.config;
    const count = (options: PlacementOptions & { gpuLayers: number }) => scheduled(shapes, options).splits.length;
    const all = count({ gpuLayers: L });
    const some = [1, 3, L / 2, L - 1];
    const last = some.map((n) => count({ gpuLayers: n }));
    const first = some.map((n) => count({ gpuLayers: 0, tensorOverrides: firstLayers(n) }));
    console.log(`${name}: all ${all}; last ${some}: ${last}; first ${some}: ${first}`);
    expect(count({ gpuLayers: 0 })).toBe(1);
    expect(all).toBeLessThanOrEqual(2);
    expect(count({ gpuLayers: 2 ** 31 - 1 })).toBe(all);
    expect(Math.max(...last, ...first)).toBeLessThanOrEqual(3);
  });

  it.each(EXPERTS)("%s: experts of n layers on the CPU take at most 2n + 2", async (name) => {
    const shapes = await shapesOf(name);
    const { L } = shapes.config;
    const counts = [1, L / 2, L].map((n) => [n, scheduled(shapes, { gpuLayers: L, cpuExperts: n }).splits.length] as const);
    console.log(`${name}: -ncmoe ${counts.map(([n, splits]) => `${n}: ${splits}`).join(", ")}`);
    for (const [n, splits] of counts) expect(splits).toBeLessThanOrEqual(2 * n + 2);
    expect(scheduled(shapes, { gpuLayers: L, cpuExperts: true }).splits).toHaveLength(counts[2]![1]);
  });

  it.each([
    ["embedded", { gpuLayers: 4 }],
    ["qwen35-9b", { gpuLayers: 16 }],
    ["qwen3next-80b-a3b", { gpuLayers: 48, cpuExperts: 24 }],
  ] as const)("%s: a budget too small names the least that would do", async (name, options) => {
    const shapes = await shapesOf(name);
    let needed = 0;
    try {
      scheduled(shapes, { ...options, maxSplits: 1 });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SplitBudgetError);
      needed = (error as SplitBudgetError).needed;
      expect((error as Error).message).toContain(`needs at least ${needed} splits, maxSplits is 1: raise maxSplits to ${needed}`);
    }
    expect(scheduled(shapes, { ...options, maxSplits: needed }).splits).toHaveLength(needed);
    expect(() => scheduled(shapes, { ...options, maxSplits: needed - 1 })).toThrow(SplitBudgetError);
  });

  it("any overrides can be met: what one op reads besides values shares a device", async () => {
    const next = random(5);
    for (const name of ["embedded", "qwen35-0.8b", "qwen35moe-35b-a3b"] as const) {
      const shapes = await shapesOf(name);
      const names = [...shapes.model.graph.weights.keys()].map((weight) => weight.split("#")[0]!);
      for (let n = 0; n < 10; n++) {
        const tensorOverrides = Array.from({ length: 3 }, () => {
          const weight = names[Math.floor(next() * names.length)]!;
          const part = next() < 0.5 ? weight : weight.replace(/^blk\.\d+\./, ""); // of one layer, or of all
          return {
            pattern: new RegExp(`${part.replaceAll(".", "\\.")}$`, "g"),
            device: next() < 0.5 ? ("cpu" as const) : ("gpu" as const),
          };
        });
        const gpuLayers = Math.floor(next() * (shapes.config.L + 1));
        expect(scheduled(shapes, { gpuLayers, tensorOverrides }).splits.length).toBeGreaterThan(0);
      }
    }
  });

  it("states go where the weights beside them go", async () => {
    const { config, model } = await shapesOf("qwen3next-80b-a3b");
    const { weights, states } = model.graph;
    const pins = placementPins(config, { tensorOverrides: [{ pattern: "blk\\.(0|3)\\.", device: "gpu" }] }, 0);
    for (const name of ["R-0", "S-0", "K-3", "V-3"]) expect(pins(states.get(name)!)).toEqual([1]);
    for (const name of ["R-1", "S-1", "K-7", "V-7"]) expect(pins(states.get(name)!)).toEqual([0]);
    const decay = placementPins(config, { tensorOverrides: [{ pattern: "ssm_dt", device: "cpu" }] }, 48);
    expect([decay(weights.get("blk.0.ssm_a")!), decay(weights.get("blk.0.ssm_dt.bias")!), decay(states.get("S-0")!)]).toEqual([
      [0],
      [0],
      [0],
    ]);
    const query = placementPins(config, { tensorOverrides: [{ pattern: /attn_q\.weight$/, device: "cpu" }] }, 48);
    expect(query(weights.get("blk.3.attn_q.weight#gate")!)).toEqual([0]);
  });

  it("the 80B graph is scheduled in under 50 ms", async () => {
    const shapes = await shapesOf("qwen3next-80b-a3b");
    const cases: readonly (PlacementOptions & { gpuLayers: number })[] = [
      { gpuLayers: 48 },
      { gpuLayers: 24 },
      { gpuLayers: 48, cpuExperts: true },
      { gpuLayers: 48, cpuExperts: 24, maxSplits: 60 },
    ];
    for (const options of cases) {
      const times = [0, 1, 2, 3, 4].map(() => {
        const start = performance.now();
        scheduled(shapes, options);
        return performance.now() - start;
      });
      const least = Math.min(...times);
      console.log(`80B, ${shapes.model.graph.nodes.length} nodes, ${JSON.stringify(options)}: ${least.toFixed(1)} ms`);
      expect(least).toBeLessThan(50);
    }
  });
});
