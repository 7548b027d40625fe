// GB/s of weights for one token (matvec) and GFLOP/s for 128 (GEMM), one thread, per format and per build that this runtime can run.
//   node bench/kernels.mjs [format …]        deno run -A bench/kernels.mjs [format …]
// Figures are the second-best of many interleaved samples: on a shared machine the median measures the neighbours.
// --large adds a matrix beyond the last-level cache.

import { existsSync, readFileSync } from "node:fs";

const formats = {
  // name: [GGUF type id, elements a block, bytes a block, where its f16 scales are]
  F32: [0, 1, 4, []],
  F16: [1, 1, 2, [0]],
  BF16: [30, 1, 2, []],
  Q8_0: [8, 32, 34, [0]],
  Q4_0: [2, 32, 18, [0]],
  Q4_1: [3, 32, 20, [0, 2]],
  Q5_0: [6, 32, 22, [0]],
  Q5_1: [7, 32, 24, [0, 2]],
  Q2_K: [10, 256, 84, [80, 82]],
  Q3_K: [11, 256, 110, [108]],
  Q4_K: [12, 256, 144, [0, 2]],
  Q5_K: [13, 256, 176, [0, 2]],
  Q6_K: [14, 256, 210, [208]],
  IQ4_NL: [20, 32, 18, [0]],
  IQ4_XS: [23, 256, 136, [0]],
  MXFP4: [39, 32, 17, []],
};

const args = (globalThis.Deno?.args ?? process.argv.slice(2)).filter((arg) => !arg.startsWith("--"));
const flags = (globalThis.Deno?.args ?? process.argv.slice(2)).filter((arg) => arg.startsWith("--"));
const names = args.length ? args : Object.keys(formats);
const [N, K] = [2048, 2048];
const LARGE = [151936, 1024];
const MANY = 128;

const MB = 1 << 20;
const at = { x: MB, xq: 8 * MB, out: 16 * MB, scratch: 84 * MB, w: 96 * MB };

function load(build) {
  const path = new URL(`../build/kernels.${build}.wasm`, import.meta.url);
  if (!existsSync(path) || !WebAssembly.validate(readFileSync(path))) return undefined;
  const bytes = flags.includes("--large") ? 800 * MB : 128 * MB;
  const memory = new WebAssembly.Memory({ initial: bytes / 65536, maximum: 65536, shared: true });
  const run = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), { env: { memory, now: () => performance.now() } })
    .exports;
  return { run, memory };
}

/**
 * Weights: random codes, scales of a real model's size. In blocks of 256 those are subnormal f16, which a careless conversion pays for
 * twenty times over on Intel; in blocks of 32 normal ones.
 */
function fillWeights(memory, format, count) {
  const [, block, bytes, scales] = formats[format];
  const total = (count / block) * bytes;
  const u8 = new Uint8Array(memory.buffer, at.w, total);
  const first = Math.min(total, 4096 * bytes); // repeated after that
  let state = 1;
  for (let i = 0; i < first; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    u8[i] = state >>> 25;
  }
  for (let p = 0; p < first; p += bytes) {
    if (format === "MXFP4") u8[p] = 120;
    if (format === "F32") u8[p + 3] = 0x3c; // 0.01 … 0.03
    if (format === "BF16") u8[p + 1] = 0x3c;
    for (const offset of scales) u8[p + offset + 1] = block === 256 ? 0x02 : 0x22; // 3e-5, 0.012
  }
  for (let have = first; have < total; have *= 2) u8.copyWithin(have, 0, Math.min(have, total - have));
}

function prepare({ run, memory }, format, T, N, K) {
  const [type, block] = formats[format];
  const x = new Float32Array(memory.buffer, at.x, T * K);
  for (let i = 0; i < x.length; i++) x[i] = Math.sin(i * 1.37);
  if (block > 1) run.quantize(at.xq, at.x, T, K, block === 32 ? 1 : 2, 0, T);
  return () => run.matmul(at.out, at.x, at.xq, at.w, T, N, K, type, at.scratch, 0, Math.ceil(N / 8));
}

/** Seconds a call, second-best sample of each job; jobs take turns. */
function time(jobs, samples) {
  for (const job of jobs) {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < 150 || calls < 2; calls++) job(); // until the optimising compiler has it
    job.calls = Math.max(1, Math.round((12 * calls) / (performance.now() - start)));
    job.times = [];
  }
  for (let i = 0; i < samples; i++) {
    for (const job of jobs) {
      const start = performance.now();
      for (let c = 0; c < job.calls; c++) job();
      job.times.push((performance.now() - start) / job.calls / 1000);
    }
  }
  return jobs.map((job) => job.times.sort((a, b) => a - b)[1]);
}

const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}` : `Node ${process.version}`;
for (const build of ["simd", "relaxed"]) {
  const kernels = load(build);
  if (!kernels) continue;
  console.log(
    `\n${runtime}, ${build} build, 1 thread; ${N}x${K}\nformat    matvec GB/s   x ${MANY} tokens GFLOP/s${flags.includes("--large") ? `   ${LARGE[0]}x${LARGE[1]} GB/s` : ""}`,
  );
  for (const name of names) {
    const [, block, bytes] = formats[name];
    fillWeights(kernels.memory, name, N * K);
    const [one, many] = time([prepare(kernels, name, 1, N, K), prepare(kernels, name, MANY, N, K)], 15);
    const rate = (((N * K * bytes) / block / one) * 1e-9).toFixed(1);
    const flops = ((2 * N * K * MANY) / many / 1e9).toFixed(0);
    let line = `${name.padEnd(8)} ${rate.padStart(12)} ${flops.padStart(24)}`;
    if (flags.includes("--large")) {
      const size = (LARGE[0] * LARGE[1] * bytes) / block;
      fillWeights(kernels.memory, name, LARGE[0] * LARGE[1]);
      const [large] = time([prepare(kernels, name, 1, ...LARGE)], 7);
      line += ((size / large) * 1e-9).toFixed(1).padStart(20);
    }
    console.log(line);
  }
}
