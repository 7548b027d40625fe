// Whether the GPU's matmul kernels are right, on the GPU at hand: what no test machine has is checked here.

import { random, randomWeights } from "../tests/conformance/weights.ts";
import { lowerMatmul, lowerMatmulExperts } from "../ts/backends/webgpu/matmul.ts";
import { kernelText } from "../ts/backends/webgpu/pipelines.ts";
import { packedBytes, rawBytes, repackDispatches } from "../ts/backends/webgpu/weights.ts";
import { formatByName, formats } from "../ts/graph/formats.ts";
import { alloc, caps, context, device, expertsGraphOf, free, gpu, graphOf, read, run } from "./gpu-rig.mjs";

/** T, N, K that reach every kernel: a lane's rows and tokens, each tile, each tile on sub-group matrices (the last three). */
const REACHING = [
  [1, 70, 512],
  [3, 1030, 512],
  [12, 4100, 512],
  [40, 1030, 512],
  [100, 4100, 512],
  [300, 4100, 256],
  [520, 4100, 256],
  [1030, 4100, 256],
];

/** Samples of the product in f64, and the largest difference relative to their root mean square. */
function difference(got, rows, N, next, expected) {
  let [largest, squares] = [0, 0];
  const samples = 2000;
  for (let i = 0; i < samples; i++) {
    const [row, n] = [Math.floor(next() * rows), Math.floor(next() * N)];
    const want = expected(row, n);
    const off = Math.abs(got[row * N + n] - want);
    if (!(off <= largest)) largest = off;
    squares += want * want;
  }
  return (largest / Math.sqrt(squares / samples)).toExponential(1);
}

/** Row n of raw weights, and its product with a row of x. */
function productWith(format, raw, K, xs) {
  const values = new Float32Array(K);
  return (xRow, n) => {
    formatByName(format).dequantize(raw.subarray(rawBytes(format, n, K), rawBytes(format, n + 1, K)), values);
    let sum = 0;
    for (let k = 0; k < K; k++) sum += xs[xRow * K + k] * values[k];
    return sum;
  };
}

/** Raw weights and their packed form. */
function packedWeights(format, rows, K, next) {
  const raw = randomWeights(format, rows * K, next);
  const source = alloc(raw.length);
  const whole = new Uint8Array(source.buffer.size);
  whole.set(raw);
  device.queue.writeBuffer(source.buffer, 0, whole);
  const packed = alloc(packedBytes(format, rows, K));
  run(repackDispatches(format, source, packed, rows, K));
  return { raw, packed };
}

/** Every format against f64. On sub-group matrices operands are rounded to f16: up to 2e-3 is right there, 1e-5 elsewhere. */
export async function check(variants) {
  for (const [label, some] of variants) {
    for (const { name: format } of formats) {
      const cells = [];
      for (const [T, N, K] of REACHING) {
        const next = random(T);
        const xs = Float32Array.from({ length: T * K }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
        const { node, x, w } = graphOf(format, T, N, K);
        const { raw, packed } = packedWeights(format, N, K, next);
        const one = context(new Map([[w, packed]]), some);
        device.queue.writeBuffer(one.range(x).buffer, 0, xs);
        const list = lowerMatmul(node, one);
        run(list);
        const product = productWith(format, raw, K, xs);
        const way = list.at(-1).kernel.name.split(" ")[1];
        cells.push(`T=${T} ${way} ${difference(await read(one.range(node.outputs.out)), T, N, next, product)}`);
        free();
      }
      for (const T of [2, 60]) cells.push(`experts T=${T} ${await checkExperts(format, T, some)}`);
      console.log(`check ${label} ${format}: ${cells.join("  ")}`);
    }
  }
  gpu.check();
}

async function checkExperts(format, T, some) {
  const [X, U, N, K] = [16, 3, 130, 512];
  const next = random(T);
  const { node, x, w, ids } = expertsGraphOf(format, { T, U, X, N, K });
  const chosen = Int32Array.from({ length: T * U }, () => Math.floor(next() * X));
  const xs = Float32Array.from({ length: T * K }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
  const { raw, packed } = packedWeights(format, X * N, K, next);
  const one = context(new Map([[w, packed]]), some);
  device.queue.writeBuffer(one.range(x).buffer, 0, xs);
  device.queue.writeBuffer(one.range(ids).buffer, 0, chosen);
  run(lowerMatmulExperts(node, one));
  const product = productWith(format, raw, K, xs);
  const got = await read(one.range(node.outputs.out));
  const worst = difference(got, T * U, N, next, (slot, n) => product(Math.floor(slot / U), chosen[slot] * N + n));
  free();
  return worst;
}

/** Compiles every kernel of every format; on Dawn's null backend too (DAWN_FLAGS="backend=null;enable-dawn-features=allow_unsafe_apis"). */
export async function compile() {
  const limits = { maxStorageBufferBindingSize: 2 ** 30, maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 1024 };
  const large = { ...caps, subgroupMatrix: true, subgroupMin: 32, subgroupMax: 32, limits };
  for (const { name: format } of formats) {
    for (const [T, N, K] of REACHING) {
      const { node } = graphOf(format, T, N, K);
      for (const some of [caps, large]) {
        for (const { kernel, bindings } of lowerMatmul(node, context(new Map([[node.inputs.w, alloc(packedBytes(format, N, K))]]), some))) {
          device.pushErrorScope("validation"); // of the text alone: pipelines also ask for a large device's limits
          device.createShaderModule({ code: kernelText(kernel, kernel.access) });
          const error = await device.popErrorScope();
          if (error) throw new Error(`${kernel.name}: ${error.message}`);
          if (bindings.length !== kernel.access.length)
            throw new Error(`${kernel.name}: ${bindings.length} bindings, ${kernel.access.length} declared`);
        }
      }
    }
    free();
  }
  console.log("every kernel compiles");
}
