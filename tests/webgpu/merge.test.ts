import { afterAll, describe, expect, it } from "vitest";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import type { WebGpuBackend } from "../../ts/backends/webgpu/webgpu.ts";
import type { Format } from "../../ts/graph/formats.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { matmul, matmulExperts, sigmoidMul, siluMul } from "../../ts/graph/ops/index.ts";
import type { Dims, Tensor } from "../../ts/graph/tensor.ts";
import { testBackend } from "./adapter.ts";
import { Held, worst } from "./held.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const MAX: Dims = { T: 12, O: 1 };

/** Matmuls that share x, as a layer has them: three dense ones, and gate and up of four experts. */
function layer(format: Format): { graph: Graph; inputs: Record<"x" | "ids", Tensor>; results: Tensor[] } {
  const graph = new Graph();
  const x = graph.input("x", "F32", ["T", 256]);
  const ids = graph.input("ids", "I32", ["T", 2]);
  const dense = [40, 300, 1].map((rows, i) => matmul({ x, w: graph.weight(`dense ${i}`, format, [rows, 256]) }, {}, `dense_out ${i}`));
  const each = graph.input("each", "F32", ["T", 1, 256]);
  const expert = (name: string) => matmulExperts({ x: each, w: graph.weight(name, format, [4, 256, 256]), ids }, {}, `${name} out`);
  const inner = siluMul({ gate: expert("gate"), up: expert("up") }, {}, "inner");
  const down = matmulExperts({ x: inner, w: graph.weight("down", "F32", [4, 24, 256]), ids }, {}, "down");
  // Outputs of merged matmuls are nobody's to keep: a node behind each brings them out.
  const results = [
    ...dense.map((one, i) => sigmoidMul({ x: one, gate: graph.input(`gate ${i}`, "F32", ["T", 1]) }, {}, `kept ${i}`)),
    down,
  ];
  return { graph, inputs: { x, ids }, results };
}

describe.skipIf(!backend)("matmuls that share their activations", () => {
  it.each(["Q4_K", "F16"] as const)("%s: one dispatch for all of them, the same numbers", async (format) => {
    const { graph, results } = layer(format);
    const want = new Held(new ReferenceBackend(), graph, MAX);
    const got = new Held(backend!, graph, MAX);
    const few = { T: 5, O: 1 };
    for (const dims of format === "Q4_K" ? [{ T: 1, O: 1 }, few, MAX] : [few]) {
      await want.run(graph.nodes, undefined, dims);
      await got.run(graph.nodes, new Set(results), dims);
      for (const result of results)
        expect(worst(await got.read(result, dims), await want.read(result, dims)), `${result.name}, T ${dims.T}`).toBeLessThan(2e-5);
    }
    got.free();
  });

  it("a plan that has only some of them runs all, and takes its own", async () => {
    const on = backend as WebGpuBackend;
    on.trim();
    const before = on.counters;
    const { graph, results } = layer("Q8_0");
    const want = new Held(new ReferenceBackend(), graph, MAX);
    const got = new Held(on, graph, MAX);
    const dims = { T: 3, O: 1 };
    await want.run(graph.nodes, undefined, dims);
    await got.run(graph.nodes, new Set(results), dims); // packs them as one
    const some = graph.nodes.filter(({ name }) => name === "dense_out 1" || name === "up out");
    await got.run(some, new Set(some.map(({ outputs }) => outputs.out!)), dims);
    for (const { outputs } of some)
      expect(worst(await got.read(outputs.out!, dims), await want.read(outputs.out!, dims)), outputs.out!.name).toBeLessThan(2e-5);
    await got.run(graph.nodes, undefined, dims); // nothing may be merged, for everything must be kept
    for (const { outputs } of graph.nodes)
      expect(worst(await got.read(outputs.out!, dims), await want.read(outputs.out!, dims)), outputs.out!.name).toBeLessThan(2e-5);
    got.free();
    on.trim();
    expect(on.counters).toMatchObject({ usedBytes: before.usedBytes, liveBuffers: before.liveBuffers });
  });
});
