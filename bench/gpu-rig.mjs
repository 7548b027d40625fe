// What the GPU benchmarks and checks share: a device, memory, dispatches, their time by the GPU's own clock.

import { GpuDevice } from "../ts/backends/webgpu/device.ts";
import { packingOf, weightBindings } from "../ts/backends/webgpu/matmul-packing.ts";
import { Pipelines } from "../ts/backends/webgpu/pipelines.ts";
import { packedBytes } from "../ts/backends/webgpu/weights.ts";
import { tensorBytes } from "../ts/graph/bytes.ts";
import { Graph } from "../ts/graph/graph.ts";
import { matmul, matmulExperts } from "../ts/graph/ops/index.ts";

const USAGE = 0x80 | 0x4 | 0x8;
export const gpu = await GpuDevice.open({ dawnFlags: (process.env.DAWN_FLAGS ?? "").split(";").filter(Boolean) });
export const { device, caps } = gpu;
export const pipelines = new Pipelines(gpu);
const dims = { T: 1, O: 1 };
const step = pipelines.step(dims);
let owned = [];

export function alloc(bytes) {
  const buffer = device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage: USAGE });
  owned.push(buffer);
  return { buffer, offset: 0, bytes };
}

export function free() {
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

export function fill(range, seed, MASK = 0xffffffff, BITS = 0) {
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

export function run(dispatches) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass, bindGroups(dispatches));
  pass.end();
  device.queue.submit([encoder.finish()]);
}

export async function read(range) {
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
export async function time(dispatches, warmMs = 40) {
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
export function context(ranges = new Map(), some = caps) {
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
export function weights(format, rows, K, seed = 1) {
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

export function graphOf(format, T, N, K) {
  const graph = new Graph();
  const x = graph.input("x", "F32", [T, K]);
  const w = graph.weight("w", format, [N, K]);
  matmul({ x, w }, {}, "out");
  return { node: graph.nodes[0], x, w };
}

/** The same of experts: x [T, 1, K], w [X, N, K], ids [T, U]. */
export function expertsGraphOf(format, { T, U, X, N, K }) {
  const graph = new Graph();
  const x = graph.input("x", "F32", [T, 1, K]);
  const w = graph.weight("w", format, [X, N, K]);
  const ids = graph.input("ids", "I32", [T, U]);
  matmulExperts({ x, w, ids }, {}, "out");
  return { node: graph.nodes[0], x, w, ids };
}
