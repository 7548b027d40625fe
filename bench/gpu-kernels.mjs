// GB/s of matvec and TFLOP/s of GEMM on the GPU, per format and shape, by the GPU's own clock.
//   npx esbuild bench/gpu-kernels.mjs --bundle --format=esm --platform=node --loader:.wgsl=text --external:webgpu --outfile=build/gpu-kernels.mjs
//   node build/gpu-kernels.mjs [check] [matvec] [gemm] [experts] [small]
// DAWN_FLAGS: options for Dawn, separated by semicolons, e.g. those that show f16 and sub-group matrices.
// Sizes are for a large GPU: on a software adapter use `check` alone.

import { normals, random, randomWeights } from "../tests/conformance/weights.ts";
import { GpuDevice } from "../ts/backends/webgpu/device.ts";
import { lowerMatmul, lowerMatmulExperts } from "../ts/backends/webgpu/matmul.ts";
import { matrixKernel, tileKernel, vecKernel } from "../ts/backends/webgpu/matmul-kernels.ts";
import { packingOf, weightBindings } from "../ts/backends/webgpu/matmul-packing.ts";
import { vecShape } from "../ts/backends/webgpu/matmul-shapes.ts";
import { Pipelines } from "../ts/backends/webgpu/pipelines.ts";
import { packedBytes, rawBytes, repackDispatches } from "../ts/backends/webgpu/weights.ts";
import { tensorBytes } from "../ts/graph/bytes.ts";
import { formatByName, formats } from "../ts/graph/formats.ts";
import { Graph } from "../ts/graph/graph.ts";
import { matmul, matmulExperts } from "../ts/graph/ops/index.ts";

const USAGE = 0x80 | 0x4 | 0x8;
const gpu = await GpuDevice.open({ dawnFlags: (process.env.DAWN_FLAGS ?? "").split(";").filter(Boolean) });
const { device, caps } = gpu;
const pipelines = new Pipelines(gpu);
const dims = { T: 1, O: 1 };
const step = pipelines.step(dims);
let owned = [];

function alloc(bytes) {
  const buffer = device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage: USAGE });
  owned.push(buffer);
  return { buffer, offset: 0, bytes };
}

function free() {
  for (const buffer of owned) buffer.destroy();
  owned = [];
}

/** Random bits in which every f16 is small and positive: any plane of any packed format. */
const FILL = `
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  for (var i = id.x; i < arrayLength(&words); i += groups.x * 256u) {
    var h = (i + SEED) * 2654435769u;
    h = (h ^ (h >> 15u)) * 2246822519u;
    h = h ^ (h >> 13u);
    words[i] = (h & MASK) | BITS;
  }
}`;

function fill(range, seed, MASK = 0xffffffff, BITS = 0) {
  const kernel = { name: "fill", files: [FILL], constants: { SEED: seed, MASK, BITS }, access: ["read_write"] };
  return { kernel, bindings: [range], workgroups: [4096, 1, 1] };
}

function bindGroups(dispatches) {
  return dispatches.map(({ kernel, bindings, workgroups }) => {
    const { pipeline, layout } = pipelines.get(kernel, kernel.access);
    const entries = bindings.map(({ buffer, offset, bytes }, binding) => ({
      binding,
      resource: { buffer, offset, size: Math.ceil(bytes / 4) * 4 },
    }));
    return { pipeline, group: device.createBindGroup({ layout, entries }), workgroups };
  });
}

function encode(pass, bound) {
  for (const { pipeline, group, workgroups } of bound) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.setBindGroup(1, step.group);
    pass.dispatchWorkgroups(...workgroups);
  }
}

function run(dispatches) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, bindGroups(dispatches));
  pass.end();
  device.queue.submit([encoder.finish()]);
}

async function read(range) {
  const staging = device.createBuffer({ size: range.bytes, usage: 0x1 | 0x8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(range.buffer, range.offset, staging, 0, range.bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(0x1);
  const bytes = staging.getMappedRange().slice(0);
  staging.destroy();
  return new Float32Array(bytes);
}

const PASSES = 5;
const queries = device.features.has("timestamp-query") ? device.createQuerySet({ type: "timestamp", count: 2 * PASSES }) : undefined;
const resolved = device.createBuffer({ size: 16 * PASSES, usage: 0x200 | 0x4 });

/**
 * Microseconds of a list of dispatches: the median of five passes, submitted at once behind so many of the same that the GPU's clocks
 * are up: an idle H100 runs at a sixth of its clock, and for some tens of milliseconds after.
 */
async function time(dispatches, warmMs = 40) {
  const once = await timed(dispatches, 0);
  const us = await timed(dispatches, Math.min(400, Math.ceil((1000 * warmMs) / once)));
  gpu.check();
  return us;
}

async function timed(dispatches, warmups) {
  const encoder = device.createCommandEncoder();
  const bound = bindGroups(dispatches);
  for (let i = 0; i < warmups + PASSES; i++) {
    const n = 2 * (i - warmups);
    const stamps =
      queries && n >= 0 ? { timestampWrites: { querySet: queries, beginningOfPassWriteIndex: n, endOfPassWriteIndex: n + 1 } } : {};
    const pass = encoder.beginComputePass(stamps);
    encode(pass, bound);
    pass.end();
  }
  if (queries) encoder.resolveQuerySet(queries, 0, 2 * PASSES, resolved, 0);
  const staging = device.createBuffer({ size: resolved.size, usage: 0x1 | 0x8 });
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, resolved.size);
  const started = performance.now();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  const wall = (performance.now() - started) * 1000;
  await staging.mapAsync(0x1);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  staging.destroy();
  if (!queries) return wall / (warmups + PASSES);
  const times = Array.from({ length: PASSES }, (_, i) => Number(stamps[2 * i + 1] - stamps[2 * i]) / 1000);
  return times.sort((a, b) => a - b)[PASSES >> 1];
}

/** A context whose tensors have memory on demand. */
function context(ranges = new Map(), some = caps) {
  const scratches = new Map();
  return {
    caps: some,
    dims,
    range: (tensor) => {
      if (!ranges.has(tensor.storage)) ranges.set(tensor.storage, alloc(tensorBytes(tensor, dims)));
      return ranges.get(tensor.storage);
    },
    scratch: (name, bytes) => {
      if ((scratches.get(name)?.bytes ?? 0) < bytes) scratches.set(name, alloc(bytes));
      return scratches.get(name);
    },
  };
}

/** Packed weights of random bits. */
function weights(format, rows, K, seed = 1) {
  const packed = alloc(packedBytes(format, rows, K));
  const [codes, highs, scales] = weightBindings(format, packed, rows, K);
  if (packingOf(format).quantised) {
    run([fill(codes, seed), ...(highs.offset === codes.offset ? [] : [fill(highs, seed)]), fill(scales, seed, 0x03ff03ff, 0x1c001c00)]);
  } else {
    // Exponents of F32, F16 and BF16 that make numbers near 1.
    const [mask, bits] = { F32: [0x80ffffff, 0x3e000000], F16: [0x83ff83ff, 0x34003400], BF16: [0x80ff80ff, 0x3e003e00] }[format];
    run([fill(codes, seed, mask, bits)]);
  }
  return packed;
}

const gigabytes = (bytes, us) => (bytes / us / 1e3).toFixed(0).padStart(6);
const teraflops = (flops, us) => (flops / us / 1e6).toFixed(1).padStart(6);

/** Enough copies of a matrix that no cache holds them all. */
function copies(format, rows, K) {
  const count = Math.max(1, Math.min(12, Math.ceil(400e6 / packedBytes(format, rows, K))));
  return Array.from({ length: count }, (_, i) => weights(format, rows, K, i + 1));
}

function graphOf(format, T, N, K) {
  const graph = new Graph();
  const x = graph.input("x", "F32", [T, K]);
  const w = graph.weight("w", format, [N, K]);
  matmul({ x, w }, {}, "out");
  return { node: graph.nodes[0], x, w };
}

async function matvec(names, shapes, tokens) {
  for (const [N, K] of shapes) {
    for (const T of tokens) {
      const cells = [];
      for (const format of names) {
        const { node, x, w } = graphOf(format, T, N, K);
        const ranges = new Map();
        const many = copies(format, N, K);
        const one = context(ranges);
        run([fill(one.range(x), 1, 0x807fffff, 0x3f000000)]);
        const lists = many.map((packed) => {
          ranges.set(w, packed);
          return lowerMatmul(node, one);
        });
        const quantise = lists[0].slice(0, -1);
        run(quantise);
        const products = lists.map((list) => list.at(-1));
        const us = await time(products);
        cells.push(`${format} ${gigabytes(packedBytes(format, N, K) * products.length, us)} (${(us / products.length).toFixed(1)} us)`);
        free();
      }
      console.log(`matvec ${N}x${K} T=${T} GB/s: ${cells.join("  ")}`);
    }
  }
}

async function gemm(names, shapes, variants) {
  for (const [T, N, K] of shapes) {
    for (const format of names) {
      const cells = [];
      for (const [label, some] of variants) {
        const { node, x, w } = graphOf(format, T, N, K);
        const ranges = new Map([[w, weights(format, N, K)]]);
        const one = context(ranges, some);
        run([fill(one.range(x), 1, 0x807fffff, 0x3f000000)]);
        const list = lowerMatmul(node, one);
        const us = await time(list);
        cells.push(`${label} ${teraflops(2 * T * N * K, us)} (${us.toFixed(0)} us)`);
        free();
      }
      console.log(`gemm T=${T} ${N}x${K} ${format} TFLOP/s: ${cells.join("  ")}`);
    }
  }
}

async function experts(names, sizes, variants) {
  const { X, N, K, U } = { X: 512, N: 512, K: 2048, U: 10 };
  for (const T of sizes) {
    for (const format of names) {
      const cells = [];
      for (const [label, some] of variants) {
        const graph = new Graph();
        const x = graph.input("x", "F32", [T, 1, K]);
        const w = graph.weight("w", format, [X, N, K]);
        const ids = graph.input("ids", "I32", [T, U]);
        matmulExperts({ x, w, ids }, {}, "out");
        const ranges = new Map([[w, weights(format, X * N, K)]]);
        const one = context(ranges, some);
        run([fill(one.range(x), 1, 0x807fffff, 0x3f000000), fill(one.range(ids), 7, X - 1)]);
        const list = lowerMatmulExperts(graph.nodes[0], one);
        const us = await time(list);
        cells.push(
          `${label} ${teraflops(2 * T * U * N * K, us)} TFLOP/s ${gigabytes((packedBytes(format, X * N, K) * Math.min(X, T * U)) / X, us)} GB/s (${us.toFixed(1)} us)`,
        );
        free();
      }
      console.log(`experts T=${T} ${X}x(${N}x${K}) U=${U} ${format}: ${cells.join("  ")}`);
    }
  }
}

/** Every format against an f64 product. The matrix path rounds to f16: its bound is another. */
async function check(variants) {
  for (const [label, some] of variants) {
    const worst = [];
    for (const { name: format } of formats) {
      for (const [T, N, K] of [
        [1, 70, 512],
        [3, 1030, 512],
        [100, 130, 512],
        [300, 140, 768],
      ]) {
        const next = random(T);
        const raw = randomWeights(format, N * K, next);
        const values = new Float32Array(N * K);
        for (let n = 0; n < N; n++)
          formatByName(format).dequantize(
            raw.subarray(rawBytes(format, n, K), rawBytes(format, n + 1, K)),
            values.subarray(n * K, (n + 1) * K),
          );
        const xs = Float32Array.from({ length: T * K }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
        const { node, x, w } = graphOf(format, T, N, K);
        const source = alloc(Math.ceil(raw.length / 4) * 4);
        const padded = new Uint8Array(source.bytes);
        padded.set(raw);
        device.queue.writeBuffer(source.buffer, 0, padded);
        const packed = alloc(packedBytes(format, N, K));
        run(repackDispatches(format, source, packed, N, K));
        const one = context(new Map([[w, packed]]), some);
        device.queue.writeBuffer(one.range(x).buffer, 0, xs);
        run(lowerMatmul(node, one));
        const got = await read(one.range(node.outputs.out));
        let [largest, squares] = [0, 0];
        for (let i = 0; i < got.length; i++) {
          let sum = 0;
          for (let k = 0, a = Math.floor(i / N) * K, b = (i % N) * K; k < K; k++) sum += xs[a + k] * values[b + k];
          const difference = Math.abs(got[i] - sum);
          if (!(difference <= largest)) largest = difference;
          squares += sum * sum;
        }
        worst.push(`${format} T=${T} ${(largest / Math.sqrt(squares / got.length)).toExponential(1)}`);
        free();
      }
    }
    console.log(`check ${label}: ${worst.join("  ")}`);
  }
  gpu.check();
}

/** Compiles every kernel of every format; on Dawn's null backend too (DAWN_FLAGS="backend=null;enable-dawn-features=allow_unsafe_apis"). */
async function compile() {
  const matrix = { ...caps, subgroupMatrix: true, subgroupMin: 32, subgroupMax: 32 };
  for (const { name: format } of formats) {
    for (const [T, N, K] of [
      [1, 70, 512],
      [5, 2000, 512],
      [100, 130, 512],
    ]) {
      const { node } = graphOf(format, T, N, K);
      for (const some of [caps, matrix]) {
        for (const { kernel, bindings } of lowerMatmul(node, context(new Map([[node.inputs.w, alloc(packedBytes(format, N, K))]]), some))) {
          device.pushErrorScope("validation");
          pipelines.get(kernel, kernel.access);
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

const wanted = process.argv.slice(2);
const all = wanted.length === 0;
const plain = { ...caps, subgroupMatrix: false };
const variants = caps.subgroupMatrix
  ? [
      ["plain", plain],
      ["matrix", caps],
    ]
  : [["plain", plain]];
console.log(gpu.description, JSON.stringify({ ...caps, limits: undefined }));
if (wanted.includes("compile")) await compile();
if (all || wanted.includes("check")) await check(variants);
if (all || wanted.includes("matvec"))
  await matvec(
    formats.map(({ name }) => name),
    [
      [8192, 8192],
      [248320, 1024],
    ],
    [1],
  );
if (all || wanted.includes("small"))
  await matvec(
    ["Q8_0", "Q4_K", "Q6_K", "F32"],
    [
      [512, 2048],
      [2048, 2048],
      [2048, 512],
      [8192, 2048],
      [2048, 4096],
    ],
    [1],
  );
if (all || wanted.includes("tokens"))
  await matvec(
    ["Q8_0", "Q4_K", "F16"],
    [
      [8192, 8192],
      [2048, 2048],
    ],
    [2, 4, 8],
  );
if (all || wanted.includes("gemm"))
  await gemm(
    ["Q8_0", "Q4_K", "Q6_K", "IQ4_XS", "F32", "F16"],
    [
      [4096, 4096, 4096],
      [512, 2048, 2048],
    ],
    variants,
  );
if (all || wanted.includes("experts")) await experts(["Q8_0", "Q4_K"], [1, 8, 64, 512, 2048], variants);
device.destroy();
