import { afterAll, describe, expect, it } from "vitest";
import type { Format } from "../../ts/graph/formats.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { matmul, rmsNorm, siluMul } from "../../ts/graph/ops/index.ts";
import type { Dims, Tensor } from "../../ts/graph/tensor.ts";
import { RoundedReference } from "../models/rounded-reference.ts";
import { testBackend } from "./adapter.ts";
import { Held, worst } from "./held.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const MAX: Dims = { T: 5, O: 1 };
const [E, F, N] = [512, 768, 40];

/** A norm and its SwiGLU, whose weights round in one block, and a matmul over the same norm that rounds in another. */
function ffn(format: Format, other: Format): { graph: Graph; results: readonly Tensor[] } {
  const graph = new Graph();
  const x = rmsNorm({ x: graph.input("x", "F32", ["T", E]), weight: graph.weight("norm", "F32", [E]) }, { eps: 1e-6 }, "normed");
  const dense = (name: string, type: Format, rows: number, of: Tensor, K: number) =>
    matmul({ x: of, w: graph.weight(name, type, [rows, K]) }, {}, `${name} out`);
  const inner = siluMul({ gate: dense("gate", format, F, x, E), up: dense("up", format, F, x, E) }, {}, "inner");
  return { graph, results: [dense("down", format, N, inner, F), dense("side", other, N, x, E)] };
}

describe.skipIf(!backend)("activations are rounded as on the CPU", () => {
  it.each([
    ["Q4_K", "Q8_0"],
    ["Q8_0", "Q6_K"],
  ] as const)("%s, and %s beside it: by the kernels that make them, and by one of its own", async (format, other) => {
    const { graph, results } = ffn(format, other);
    const want = new Held(new RoundedReference(), graph, MAX);
    const got = new Held(backend!, graph, MAX);
    await want.run(graph.nodes, undefined, MAX);
    for (const keep of [new Set(results), undefined]) {
      await got.run(graph.nodes, keep, MAX);
      // norm, gate + up, SwiGLU, down; for the other block x is rounded once more. With nothing fused each x is rounded apart.
      if (keep) expect(backend!.counters.dispatches).toBe(6);
      for (const result of results) {
        const [a, b] = [await got.read(result, MAX), await want.read(result, MAX)];
        const rows = Array.from({ length: MAX.T }, (_, t) => worst(a.subarray(t * N, (t + 1) * N), b.subarray(t * N, (t + 1) * N)));
        // The norm's last bit may tip a code over: 0.3 % of its row's results. The other block would be 2 % of every row's.
        expect(Math.min(...rows), `${result.name}: the best row`).toBeLessThan(2e-5);
        expect(Math.max(...rows), `${result.name}: the worst row`).toBeLessThan(0.01);
      }
    }
    got.free();
  });
});
