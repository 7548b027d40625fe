import { afterAll, describe, expect, it } from "vitest";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import { type Format, formatByName } from "../../ts/graph/formats.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { add, rmsNorm } from "../../ts/graph/ops/index.ts";
import type { Dims, Tensor } from "../../ts/graph/tensor.ts";
import type { Building } from "../../ts/models/architecture.ts";
import { moeFfn } from "../../ts/models/blocks.ts";
import { Weights } from "../../ts/models/weights.ts";
import { testBackend } from "./adapter.ts";
import { Held, worst } from "./held.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const MAX: Dims = { T: 5, O: 1 };
const [E, X, U, F] = [256, 5, 2, 256];

/** A mixture of experts with a shared one, its residual step, and maybe the norm behind it. `down`: format of the shared down. */
function layer(format: Format, down: Format, normed: boolean): { graph: Graph; result: Tensor } {
  const graph = new Graph();
  const shapes: Record<string, readonly [Format, readonly number[]]> = {
    ffn_gate_inp: ["F32", [X, E]],
    ffn_gate_exps: [format, [X, F, E]],
    ffn_up_exps: [format, [X, F, E]],
    ffn_down_exps: [format, [X, E, F]],
    ffn_gate_inp_shexp: ["F32", [1, E]],
    ffn_gate_shexp: [format, [F, E]],
    ffn_up_shexp: [format, [F, E]],
    ffn_down_shexp: [down, [E, F]],
  };
  const tensors = new Map(
    Object.entries(shapes).map(([name, [type, shape]]) => {
      const full = `blk.0.${name}.weight`;
      return [full, { name: full, shape, type: formatByName(type).ggmlType, typeName: type }];
    }),
  );
  const weights = new Weights(graph, { name: "test", tensors } as unknown as ConstructorParameters<typeof Weights>[1]);
  const config = { E, X, U, expertF: F, sharedF: F } as Building["config"];
  const x = graph.input("x", "F32", ["T", E]);
  const out = add(
    { x, y: moeFfn({ graph, weights, config } as Building, 0, rmsNorm({ x, weight: graph.weight("norm", "F32", [E]) }, { eps: 1e-6 })) },
    {},
    "out",
  );
  const result = normed ? rmsNorm({ x: out, weight: graph.weight("last", "F32", [E]) }, { eps: 1e-6 }, "normed") : out;
  return { graph, result };
}

describe.skipIf(!backend)("the shared expert as one expert more", () => {
  it.each([
    ["of the experts' formats", "F16", "F16", true, 8],
    ["with no norm behind it", "F16", "F16", false, 9],
    ["of another format: it stays apart", "F16", "F32", true, 12],
  ] as const)("%s", async (_, format, down, normed, dispatches) => {
    const { graph, result } = layer(format, down, normed);
    const want = new Held(new ReferenceBackend(), graph, MAX);
    const got = new Held(backend!, graph, MAX);
    for (const dims of [{ T: 1, O: 1 }, { T: 3, O: 1 }, MAX]) {
      await want.run(graph.nodes, undefined, dims);
      await got.run(graph.nodes, new Set([result]), dims);
      if (dims.T === 1) expect(backend!.counters.dispatches).toBeLessThanOrEqual(dispatches);
      expect(worst(await got.read(result, dims), await want.read(result, dims)), `T ${dims.T}`).toBeLessThan(1e-4);
    }
    got.free();
  });
});
