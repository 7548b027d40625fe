import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { GpuRange, KernelSpec, LowerNode } from "../../../ts/backends/webgpu/dispatch.ts";
import { lowerGetRows, lowerMatmul, lowerMatmulExperts } from "../../../ts/backends/webgpu/matmul.ts";
import { halfActivations } from "../../../ts/backends/webgpu/matmul-activations.ts";
import { matrixKernel } from "../../../ts/backends/webgpu/matmul-kernels.ts";
import { weightBindings } from "../../../ts/backends/webgpu/matmul-packing.ts";
import { packedBytes, rawBytes } from "../../../ts/backends/webgpu/weights.ts";
import { type Format, formatByName, formats } from "../../../ts/graph/formats.ts";
import { Graph } from "../../../ts/graph/graph.ts";
import { getRows, matmul, matmulExperts } from "../../../ts/graph/ops/index.ts";
import type { Tensor } from "../../../ts/graph/tensor.ts";
import { normals, random, randomWeights } from "../../conformance/weights.ts";
import { roundedActivations } from "../../models/rounded-reference.ts";
import emulation from "../matmul_matrix_emulation.wgsl";
import { type Limits, Rig } from "../matmul_rig.ts";

const names = formats.map((format) => format.name);
const plain = await Rig.open(false);
const subgroups = await Rig.open(true);
afterAll(() => [plain, subgroups].forEach((rig) => void rig?.gpu.close()));

/** Whole numbers in -127…127, one of them 127 in every 32: exact in 8 bits. */
function wholeNumbers(count: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
}

/** Blocks whose largest magnitude is 127 and whose codes no last bit of a division tips over; of 256: with units of very different size. */
function apartFromTies(count: number, block: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    if (i % block === 5) return 127;
    const most = 126 >> (Math.floor(i / 32) % (block / 32));
    return Math.round((2 * next() - 1) * most) + 0.8 * (next() - 0.5);
  });
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

/** Lowers and runs the one node of a graph. What it makes is NaN before. */
async function run(rig: Rig, graph: Graph, lower: LowerNode, ranges: Map<Tensor, GpuRange>, limits?: Limits): Promise<Float32Array> {
  const context = rig.context(ranges, limits);
  const node = graph.nodes[0]!;
  await rig.run(lower(node, context));
  return new Float32Array((await rig.read(context.range(node.outputs.out!))).buffer);
}

type Sizes = readonly [T: number, N: number, K: number];

/** x [T, K] · w [N, K]ᵀ on the GPU.  */
async function product(rig: Rig, format: Format, x: Float32Array, w: Uint8Array, [T, N, K]: Sizes, limits?: Limits): Promise<Float32Array> {
  const graph = new Graph();
  const xs = graph.input("x", "F32", [T, K]);
  const ws = graph.weight("w", format, [N, K]);
  matmul({ x: xs, w: ws }, {}, "out");
  const packed = await rig.pack(format, w, N, K);
  return run(rig, graph, lowerMatmul, new Map([[xs, rig.put(bytesOf(x))] as const, [ws, packed] as const]), limits);
}

async function checkProduct(rig: Rig, format: Format, sizes: Sizes, next: () => number, limits?: Limits): Promise<void> {
  const [T, N, K] = sizes;
  const w = randomWeights(format, N * K, next);
  const x = wholeNumbers(T * K, next);
  const out = await product(rig, format, x, w, sizes, limits);
  const values = decode(format, w, N, K);
  const want = Float64Array.from({ length: T * N }, (_, i) => dot(x, Math.floor(i / N) * K, values, (i % N) * K, K));
  expect(worst(out, want), `${format} T ${T} N ${N} K ${K}`).toBeLessThan(1e-5);
}

interface ExpertSizes {
  readonly T: number;
  readonly U: number;
  readonly B: number;
  readonly X: number;
  readonly N: number;
  readonly K: number;
  readonly ids: readonly number[];
}

async function checkExperts(
  rig: Rig,
  format: Format,
  { T, U, B, X, N, K, ids }: ExpertSizes,
  next: () => number,
  limits?: Limits,
): Promise<void> {
  const graph = new Graph();
  const xs = graph.input("x", "F32", [T, B, K]);
  const ws = graph.weight("w", format, [X, N, K]);
  const is = graph.input("ids", "I32", [T, U]);
  matmulExperts({ x: xs, w: ws, ids: is }, {}, "out");
  const x = wholeNumbers(T * B * K, next);
  const w = randomWeights(format, X * N * K, next);
  const packed = await rig.pack(format, w, X * N, K);
  const ranges = new Map([
    [xs, rig.put(bytesOf(x))] as const,
    [ws, packed] as const,
    [is, rig.put(bytesOf(Int32Array.from(ids)))] as const,
  ]);
  const out = await run(rig, graph, lowerMatmulExperts, ranges, limits);
  const values = decode(format, w, X * N, K);
  const want = Float64Array.from({ length: T * U * N }, (_, i) => {
    const slot = Math.floor(i / N);
    const row = Math.floor(slot / U) * B + (B === 1 ? 0 : slot % U);
    return dot(x, row * K, values, (Math.min(ids[slot]! >>> 0, X - 1) * N + (i % N)) * K, K);
  });
  expect(worst(out, want), `${format} T ${T} B ${B}`).toBeLessThan(1e-5);
}

async function checkRows(
  rig: Rig,
  format: Format,
  [N, D]: readonly [number, number],
  ids: readonly number[],
  limits?: Limits,
): Promise<void> {
  const graph = new Graph();
  const ws = graph.weight("w", format, [N, D]);
  const is = graph.input("ids", "I32", [ids.length]);
  getRows({ w: ws, ids: is }, {}, "out");
  const w = randomWeights(format, N * D, random(4));
  const packed = await rig.pack(format, w, N, D);
  const out = await run(
    rig,
    graph,
    lowerGetRows,
    new Map([[ws, packed] as const, [is, rig.put(bytesOf(Int32Array.from(ids)))] as const]),
    limits,
  );
  const values = decode(format, w, N, D);
  expect(
    worst(
      out,
      ids.flatMap((id) => [...values.subarray(id * D, (id + 1) * D)]),
    ),
    format,
  ).toBeLessThan(1e-6);
}

/** The kernel on sub-group matrices in f32 and plain loops: the feature is nowhere to be had in software. */
function emulated(kernel: KernelSpec): KernelSpec {
  const text = (file: string) =>
    file
      .replace(/alias (Left|Right|Sum) = .*\n/g, "")
      .replace(/subgroupMatrixLoad<(\w+), \w+>\(&\w+, (.*), STRIDE\)/g, "$1($2)")
      .replace(/subgroupMatrixMultiplyAccumulate\((.*)\)/g, "multiply($1, lid)")
      .replace(/subgroupMatrixStore<row_major>\(&results, (.*), (.*), 16u\)/g, "put_sum($1, $2, lid)")
      .replace(/bitcast<vec4<f16>>/g, "halves")
      .replace(/vec4<f16>/g, "vec4<f32>")
      .replace(/@diagnostic.*\n/g, "");
  return { ...kernel, name: "emulated matrix", files: [...kernel.files.map(text), emulation], enables: [] };
}

describe.skipIf(!plain)("without sub-groups", () => {
  const rig = plain!;
  afterEach(() => rig.clear());

  // With sizes that the kernels share: compiling is what takes time here.
  test.each(names)("%s: few tokens, many tokens, rows", async (format) => {
    const next = random(1);
    for (const T of [3, 70]) await checkProduct(rig, format, [T, 70, 512], next);
    await checkRows(rig, format, [70, 512], [0, 69, 5, 5]);
  });

  test.each(["F16", "Q4_K", "Q6_K", "MXFP4"] as const)("%s: experts", async (format) => {
    const next = random(2);
    await checkExperts(rig, format, { T: 2, U: 2, B: 1, X: 4, N: 70, K: 512, ids: [3, 0, 1, 3] }, next);
    const skewed = Array.from({ length: 40 }, (_, i) => (i % 7 === 0 ? 3 : 0)); // experts 1 and 2 have none
    await checkExperts(rig, format, { T: 20, U: 2, B: 2, X: 4, N: 70, K: 512, ids: skewed }, next);
  });

  test("every T and N around the kernels' sizes", async () => {
    const next = random(3);
    for (const T of [1, 2, 3, 5, 8, 9, 16, 17, 33]) await checkProduct(rig, "Q4_K", [T, 65, 256], next);
    for (const N of [1, 63, 1030]) for (const T of [1, 33]) await checkProduct(rig, "Q8_0", [T, N, 96], next);
  });

  test("the tiles of large GPUs", async () => {
    const next = random(4);
    const large = { maxComputeInvocationsPerWorkgroup: 1024 };
    for (const T of [20, 100, 520]) await checkProduct(rig, "Q8_0", [T, T === 520 ? 2048 : 2000, 96], next, large);
    const ids = Array.from({ length: 120 }, () => Math.floor(next() * 4));
    await checkExperts(rig, "Q8_0", { T: 60, U: 2, B: 1, X: 4, N: 70, K: 96, ids }, next, large);
  });

  test("without the dot product of packed bytes", async () => {
    for (const T of [1, 20]) await checkProduct(rig, "Q8_0", [T, 9, 96], random(5), { dot4I8Packed: false });
  });

  test("floats take any K", async () => {
    const next = random(3);
    for (const format of ["F32", "F16", "BF16"] as const)
      for (const K of [1, 20, 37, 130]) for (const T of [1, 20]) await checkProduct(rig, format, [T, 9, K], next);
    await checkRows(rig, "F16", [9, 37], [8, 0]);
  });

  test("rows of a value", async () => {
    const graph = new Graph();
    const w = graph.input("w", "F32", [5, 37]);
    const ids = graph.input("ids", "I32", [3]);
    getRows({ w, ids }, {}, "out");
    const values = normals(5 * 37, random(5));
    const out = await run(
      rig,
      graph,
      lowerGetRows,
      new Map([[w, rig.put(bytesOf(values))] as const, [ids, rig.put(bytesOf(Int32Array.of(4, 0, 4)))] as const]),
    );
    expect([...out]).toEqual([4, 0, 4].flatMap((id) => [...values.subarray(id * 37, (id + 1) * 37)]));
  });

  test("experts: wide, each slot's own x, one expert for all, ids out of range", async () => {
    const next = random(6);
    await checkExperts(rig, "Q4_K", { T: 1, U: 3, B: 3, X: 5, N: 33, K: 256, ids: [4, 4, 0] }, next);
    await checkExperts(rig, "Q4_K", { T: 90, U: 2, B: 1, X: 5, N: 33, K: 256, ids: Array.from({ length: 180 }, () => 2) }, next);
    await checkExperts(
      rig,
      "Q4_K",
      { T: 60, U: 3, B: 3, X: 7, N: 130, K: 256, ids: Array.from({ length: 180 }, () => Math.floor(next() * 7)) },
      next,
    );
    await checkExperts(rig, "Q8_0", { T: 3, U: 2, B: 2, X: 5, N: 9, K: 64, ids: [-1, 5, 0, 1, 99, -2147483648] }, next);
  });

  test("weights, x and out larger than a binding are bound in ranges", async () => {
    const next = random(7);
    const limits = { maxStorageBufferBindingSize: 256 * 256 }; // 256 rows of Q8_0 codes at K = 256, 64 rows of x
    for (const T of [2, 150]) await checkProduct(rig, "Q8_0", [T, 600, 256], next, limits);
    await checkRows(rig, "Q8_0", [600, 256], [599, 0, 255, 256, 511, 512], limits);
    const ids = Array.from({ length: 60 }, () => Math.floor(next() * 9));
    for (const T of [2, 30])
      await checkExperts(rig, "Q8_0", { T, U: 2, B: 1, X: 9, N: 64, K: 256, ids: ids.slice(0, 2 * T) }, next, limits);
  });

  test("a matrix packed in chunks of rows is the same", async () => {
    for (const format of ["Q6_K", "MXFP4", "F16"] as const) {
      const K = format === "F16" ? 37 : 768;
      const w = randomWeights(format, 700 * K, random(8));
      const whole = await rig.read(await rig.pack(format, w, 700, K));
      expect(await rig.read(await rig.pack(format, w, 700, K, 256))).toEqual(whole);
      expect(whole.length).toBe(packedBytes(format, 700, K));
    }
  });

  test("rounded activations stay within the quantisation bound, zeros are zeros", async () => {
    const next = random(9);
    const sizes: Sizes = [6, 65, 1024];
    const [T, N, K] = sizes;
    const w = randomWeights("Q4_K", N * K, next);
    const x = normals(T * K, next);
    x.fill(0, 5 * K);
    const out = await product(rig, "Q4_K", x, w, sizes);
    const values = decode("Q4_K", w, N, K);
    const want = Float64Array.from({ length: T * N }, (_, i) => dot(x, Math.floor(i / N) * K, values, (i % N) * K, K));
    // The step is max / 127, near 2.9 sigma / 127 over 256 normals, its error step / √12: 0.7 % of the result, four times that at worst.
    expect(worst(out, want)).toBeLessThan(0.03);
    expect(out.subarray(5 * N).every((value) => value === 0)).toBe(true);
  });

  test.each(["Q4_K", "IQ4_XS", "Q8_0"] as const)("%s rounds activations as the CPU does", async (format) => {
    const next = random(11);
    const [N, K] = [70, 512];
    const w = randomWeights(format, N * K, next);
    const values = decode(format, w, N, K);
    for (const T of [3, 70]) {
      const { blockSize } = formatByName(format);
      const x = apartFromTies(T * K, blockSize, next);
      const near = roundedActivations(x, blockSize);
      const out = await product(rig, format, x, w, [T, N, K]);
      const want = Float64Array.from({ length: T * N }, (_, i) => dot(near, Math.floor(i / N) * K, values, (i % N) * K, K));
      expect(worst(out, want), `T ${T}`).toBeLessThan(1e-5);
    }
  });

  test.each(["Q8_0", "Q4_K", "F16"] as const)("%s: the tile on sub-group matrices, emulated", async (format) => {
    const next = random(10);
    const [T, N, K] = [130, 70, format === "Q4_K" ? 256 : 96];
    const { blockSize: block } = formatByName(format);
    const w = randomWeights(format, N * K, next);
    // Exact in f16: with one scale a row the codes are; F16 divides by a row's largest magnitude, here a power of two.
    const x = block === 256 ? apartFromTies(T * K, block, next) : wholeNumbers(T * K, next);
    if (block === 1) for (let t = 0; t < T; t++) x[t * K] = 128;
    const near = block === 1 ? x : roundedActivations(x, block);
    const values = decode(format, w, N, K);
    const want = Float64Array.from({ length: T * N }, (_, i) => dot(near, Math.floor(i / N) * K, values, (i % N) * K, K));
    const shapes = [
      { BM: 64, BN: 64 },
      { BM: 128, BN: 32 },
    ];
    for (const shape of format === "Q8_0" ? shapes : shapes.slice(0, 1)) {
      const graph = new Graph();
      const xs = graph.input("x", "F32", [T, K]);
      const context = rig.context(new Map([[xs, rig.put(bytesOf(x))]]));
      const half = halfActivations(xs, T, { K, block }, context);
      const out = rig.put(new Uint8Array(4 * T * N).fill(0xff));
      const caps = { ...context.caps, subgroupMin: 32, subgroupMax: 32 };
      const kernel = emulated(matrixKernel({ format, N, K, outStride: N, firstN: 0 }, shape, caps));
      const bindings = [...weightBindings(format, await rig.pack(format, w, N, K), N, K), ...half.ranges, out];
      const workgroups = [Math.ceil(N / shape.BN), Math.ceil(T / shape.BM), 1] as const;
      await rig.run([...half.dispatches, { kernel, bindings, workgroups }]);
      expect(worst(new Float32Array((await rig.read(out)).buffer), want), JSON.stringify(shape)).toBeLessThan(1e-5);
    }
  });

  test("x is quantised once for all matmuls that read it in a row", async () => {
    const graph = new Graph();
    const x = graph.input("x", "F32", [1, 64]);
    const other = graph.input("other", "F32", [1, 64]);
    const ws = [1, 2, 3].map((i) => graph.weight(`w${i}`, "Q8_0", [8, 64]));
    matmul({ x, w: ws[0]! });
    matmul({ x, w: ws[1]! });
    matmul({ x: other, w: ws[2]! });
    matmul({ x, w: ws[2]! });
    const context = rig.context(new Map());
    expect(graph.nodes.map((node) => lowerMatmul(node, context).length)).toEqual([2, 1, 2, 2]);
  });

  test("x is quantised once for each of the blocks that its matmuls want", async () => {
    const graph = new Graph();
    const x = graph.input("x", "F32", [1, 256]);
    for (const format of ["Q8_0", "Q4_K", "IQ4_XS", "Q4_0"] as const) matmul({ x, w: graph.weight(format, format, [8, 256]) });
    const context = rig.context(new Map());
    expect(graph.nodes.map((node) => lowerMatmul(node, context).length)).toEqual([2, 2, 1, 1]);
  });
});

describe.skipIf(!subgroups)("with sub-groups", () => {
  const rig = subgroups!;
  afterEach(() => rig.clear());

  test.each(["Q4_K", "IQ4_NL", "F16"] as const)("%s", async (format) => {
    const next = random(1);
    for (const T of [1, 3]) for (const N of [9, 1030]) await checkProduct(rig, format, [T, N, 512], next);
    await checkExperts(rig, format, { T: 2, U: 2, B: 1, X: 4, N: 70, K: 512, ids: [3, 0, 1, 3] }, next);
  });
});
