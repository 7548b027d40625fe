import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { GpuRange, LowerNode } from "../../ts/backends/webgpu/dispatch.ts";
import { lowerGetRows, lowerMatmul, lowerMatmulExperts } from "../../ts/backends/webgpu/matmul.ts";
import { packedBytes, rawBytes } from "../../ts/backends/webgpu/weights.ts";
import { type Format, formatByName, formats } from "../../ts/graph/formats.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { getRows, matmul, matmulExperts } from "../../ts/graph/ops/index.ts";
import type { Tensor } from "../../ts/graph/tensor.ts";
import { normals, random, randomWeights } from "../conformance/weights.ts";
import { Rig } from "./boot-matmul.ts";

const names = formats.map((format) => format.name);
const rigs: [string, Rig][] = [
  ["no sub-groups", await Rig.open(false)],
  ["sub-groups", await Rig.open(true)],
];
afterAll(() => rigs.forEach(([, rig]) => void rig.gpu.close()));

/** Whole numbers in -127…127, one of them 127 in every 32: exact in 8 bits. */
function wholeNumbers(count: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
}

const bytesOf = (values: Float32Array | Int32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Rows of `w` as numbers. */
function decode(format: Format, w: Uint8Array, rows: number, K: number): Float32Array {
  const out = new Float32Array(rows * K);
  for (let n = 0; n < rows; n++) {
    formatByName(format).dequantize(w.subarray(rawBytes(format, n, K), rawBytes(format, n + 1, K)), out.subarray(n * K, (n + 1) * K));
  }
  return out;
}

/** Largest difference relative to the root mean square of what is wanted. */
function worst(got: Float32Array, want: ArrayLike<number>): number {
  let [largest, squares] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    if (!(difference <= largest)) largest = difference; // a NaN stays
    squares += want[i]! ** 2;
  }
  return largest / (Math.sqrt(squares / got.length) || 1);
}

function dot(x: Float32Array, xAt: number, w: Float32Array, wAt: number, K: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += x[xAt + k]! * w[wAt + k]!;
  return sum;
}

/** Lowers and runs the one node of a graph. */
async function run(rig: Rig, graph: Graph, lower: LowerNode, ranges: Map<Tensor, GpuRange>, limit?: number): Promise<Float32Array> {
  const context = rig.context(ranges, undefined, limit);
  const node = graph.nodes[0]!;
  await rig.run(lower(node, context));
  return new Float32Array((await rig.read(context.range(node.outputs.out!))).buffer);
}

/** x [T, K] · w [N, K]ᵀ on the GPU. */
async function product(rig: Rig, format: Format, x: Float32Array, w: Uint8Array, [T, N, K]: readonly [number, number, number], limit?: number) {
  const graph = new Graph();
  const xs = graph.input("x", "F32", [T, K]);
  const ws = graph.weight("w", format, [N, K]);
  matmul({ x: xs, w: ws }, {}, "out");
  const ranges = new Map<Tensor, GpuRange>([
    [xs, rig.put(bytesOf(x))],
    [ws, await rig.pack(format, w, N, K)],
  ]);
  return run(rig, graph, lowerMatmul, ranges, limit);
}

function wanted(x: Float32Array, w: Float32Array, [T, N, K]: readonly [number, number, number]): Float64Array {
  return Float64Array.from({ length: T * N }, (_, i) => dot(x, Math.floor(i / N) * K, w, (i % N) * K, K));
}

/** T, N, blocks of 256: both sides of every tile. */
const shapes = [
  [1, 9, 1],
  [2, 5, 2],
  [3, 70, 1],
  [5, 1, 3],
  [8, 33, 1],
  [33, 65, 1],
  [70, 67, 2],
] as const;

describe.each(rigs)("%s", (_, rig) => {
  afterEach(() => rig.clear());

  test.each(names)("matmul %s", async (format) => {
    const next = random(1);
    for (const [T, N, blocks] of shapes) {
      const sizes = [T, N, blocks * 256] as const;
      const w = randomWeights(format, N * sizes[2], next);
      const x = wholeNumbers(T * sizes[2], next);
      const out = await product(rig, format, x, w, sizes);
      expect(worst(out, wanted(x, decode(format, w, N, sizes[2]), sizes)), `T ${T} N ${N} K ${sizes[2]}`).toBeLessThan(1e-5);
    }
  });
});
