import { afterAll, describe, expect, it } from "vitest";
import type { Format } from "../../ts/graph/formats.ts";
import { Graph, reshape } from "../../ts/graph/graph.ts";
import { add, attention, conv1d, kvWrite, matmul, matmulExperts, rmsNorm, rope, sigmoidMul, siluMul } from "../../ts/graph/ops/index.ts";
import type { Dims, Tensor } from "../../ts/graph/tensor.ts";
import { RoundedReference } from "../models/rounded-reference.ts";
import { testBackend } from "./adapter.ts";
import { Held, worst } from "./held.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const MAX: Dims = { T: 2, O: 1 };
const ONE: Dims = { T: 1, O: 1 };
/** A sum's last bit may tip a code of int8 over. */
const TIPPED = 0.01;

/** The graph on the GPU and in plain loops gives the same, for one token in so many dispatches, twice (states move on), then for two. */
async function agrees(graph: Graph, keep: readonly Tensor[], also: readonly Tensor[], dispatches: number, tolerance = 2e-5): Promise<void> {
  const reference = new RoundedReference();
  const want = new Held(reference, graph, MAX);
  const got = new Held(backend!, graph, MAX);
  const places = graph.inputs.get("positions"); // of two tokens of a sequence, not in one cell
  for (const [on, held] of [
    [reference, want],
    [backend!, got],
  ] as const) {
    const rows = graph.inputs.get("rows");
    if (rows) on.write(held.locations.get(rows)!.buffer, 0, new Uint8Array(Int32Array.of(1, 1).buffer));
    if (places) on.write(held.locations.get(places)!.buffer, 0, new Uint8Array(Int32Array.of(2, 3).buffer));
  }
  for (const dims of [ONE, ONE, MAX]) {
    await want.run(graph.nodes, undefined, dims);
    await got.run(graph.nodes, new Set(keep), dims);
    if (dims === ONE) expect(backend!.counters.dispatches).toBe(dispatches);
    for (const tensor of [...keep, ...also])
      expect(worst(await got.read(tensor, dims), await want.read(tensor, dims)), `${tensor.name}, T ${dims.T}`).toBeLessThan(tolerance);
  }
  got.free();
}

describe.skipIf(!backend)("one token", () => {
  it.each([
    ["Q8_0", "Q8_0", 3], // x in int8, both matmuls with the convolution, the gate
    ["F16", "Q8_0", 4],
  ] as const)("a convolution in the store of its %s matmul, beside one of %s", async (format, other, dispatches) => {
    const graph = new Graph();
    const [E, C] = [64, 72];
    const x = graph.input("x", "F32", ["T", E]);
    const rows = graph.input("rows", "I32", ["T"]);
    const beside = matmul({ x, w: graph.weight("beside", other, [40, E]) }, {}, "beside out");
    const qkv = matmul({ x, w: graph.weight("qkv", format, [C, E]) }, {}, "qkv out");
    const state = graph.input("R", "F32", [4, 3, C]);
    const mixed = conv1d({ x: qkv, weight: graph.weight("taps", "F32", [4, C]), state, rows }, {}, "conv out");
    const kept = sigmoidMul({ x: beside, gate: graph.input("gate", "F32", ["T", 1]) }, {}, "kept");
    await agrees(graph, [mixed, kept], [state], dispatches);
  });

  it("queries are normed and turned where keys and values are written", async () => {
    const graph = new Graph();
    const [H, G, D, P] = [4, 2, 16, 4];
    const rows = graph.input("rows", "I32", ["T"]);
    const positions = graph.input("positions", "I32", ["T"]);
    const rotation = graph.input("rotation", "F32", ["T", 2, P]);
    const head = (name: string, heads: number) => {
      const x = graph.input(name, "F32", ["T", heads, D]);
      return rope({ x: rmsNorm({ x, weight: graph.weight(`${name} norm`, "F32", [D]) }, { eps: 1e-6 }), rotation }, {}, `${name} turned`);
    };
    const [q, k] = [head("q", H), head("k", G)];
    const [kCache, vCache] = ["K", "V"].map((name) => graph.input(name, "F32", [4, G, 8, D])) as [Tensor, Tensor];
    kvWrite({ k, v: graph.input("v", "F32", ["T", G, D]), kCache, vCache, rows, positions });
    const out = attention({ q, kCache, vCache, rows, positions }, { scale: 1e-4 }, "attended"); // rotations are not of length 1 here
    await agrees(graph, [out], [kCache, vCache], 2);
  });

  it.each([64, 50])("a residual step, its norm of %i and the router's logits", async (E) => {
    const graph = new Graph();
    const [x, y] = ["x", "y"].map((name) => graph.input(name, "F32", ["T", E])) as [Tensor, Tensor];
    const sum = add({ x, y }, {}, "sum");
    const normed = rmsNorm({ x: sum, weight: graph.weight("norm", "F32", [E]) }, { eps: 1e-6 }, "normed");
    const logits = [30, 1].map((n) => matmul({ x: normed, w: graph.weight(`w ${n}`, "F32", [n, E]) }, {}, `logits ${n}`));
    const kept = logits.map((one, i) => sigmoidMul({ x: one, gate: graph.input(`gate ${i}`, "F32", ["T", 1]) }, {}, `kept ${i}`));
    await agrees(graph, [sum, normed, ...kept], [], 3);
  });

  it.each(["Q4_K", "Q8_0", "F16"] as const)("the inside of a SwiGLU in its %s matmul, of experts and of one", async (format: Format) => {
    const graph = new Graph();
    const [F, E, X, U] = [256, 24, 4, 2];
    const ids = graph.input("ids", "I32", ["T", U]);
    const inner = (name: string, shape: readonly (number | "T")[]) =>
      siluMul({ gate: graph.input(`${name} gate`, "F32", shape), up: graph.input(`${name} up`, "F32", shape) }, {}, `${name} inner`);
    const experts = matmulExperts({ x: inner("each", ["T", U, F]), w: graph.weight("experts", format, [X, E, F]), ids }, {}, "experts out");
    const dense = matmul({ x: reshape(inner("one", ["T", F]), ["T", F]), w: graph.weight("dense", format, [E, F]) }, {}, "dense out");
    await agrees(graph, [experts, dense], [], 2, format === "F16" ? 2e-5 : TIPPED);
  });
});
