// GB/s of matvec and TFLOP/s of GEMM on the GPU, per format and shape, by the GPU's own clock.
//   npx esbuild bench/gpu-kernels.mjs --bundle --format=esm --platform=node --loader:.wgsl=text --external:webgpu --outfile=build/gpu-kernels.mjs
//   node build/gpu-kernels.mjs [check] [matvec] [small] [tokens] [gemm] [experts] [compile]
// DAWN_FLAGS: options for Dawn, separated by semicolons, e.g. those that show f16 and sub-group matrices.
// Sizes are for a large GPU: on a software adapter use `check` alone.

import { lowerMatmul, lowerMatmulExperts } from "../ts/backends/webgpu/matmul.ts";
import { packedBytes } from "../ts/backends/webgpu/weights.ts";
import { formats } from "../ts/graph/formats.ts";
import { check, compile } from "./gpu-check.mjs";
import { caps, context, device, expertsGraphOf, fill, free, gpu, graphOf, run, time, weights } from "./gpu-rig.mjs";

const gigabytes = (bytes, us) => (bytes / us / 1e3).toFixed(0).padStart(6);
const teraflops = (flops, us) => (flops / us / 1e6).toFixed(1).padStart(6);

/** Enough copies of a matrix that no cache holds them all. */
function copies(format, rows, K) {
  const count = Math.max(1, Math.min(12, Math.ceil(400e6 / packedBytes(format, rows, K))));
  return Array.from({ length: count }, (_, i) => weights(format, rows, K, i + 1));
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
        const { node, x, w, ids } = expertsGraphOf(format, { T, U, X, N, K });
        const ranges = new Map([[w, weights(format, X * N, K)]]);
        const one = context(ranges, some);
        run([fill(one.range(x), 1, 0x807fffff, 0x3f000000), fill(one.range(ids), 7, X - 1)]);
        const list = lowerMatmulExperts(node, one);
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

const wanted = process.argv.slice(2);
const plain = { ...caps, subgroupMatrix: false };
const variants = [["plain", plain], ...(caps.subgroupMatrix ? [["matrix", caps]] : [])];
const every = formats.map(({ name }) => name);
const large = ["Q8_0", "Q4_K", "Q6_K", "IQ4_XS", "F32", "F16"];
const sections = {
  check: () => check(variants),
  matvec: () =>
    matvec(
      every,
      [
        [8192, 8192],
        [248320, 1024],
      ],
      [1],
    ),
  small: () =>
    matvec(
      ["Q8_0", "Q4_K", "Q6_K", "F32"],
      [
        [512, 2048],
        [2048, 512],
        [2048, 2048],
        [8192, 2048],
        [2048, 4096],
      ],
      [1],
    ),
  tokens: () =>
    matvec(
      ["Q8_0", "Q4_K", "F16"],
      [
        [8192, 8192],
        [2048, 2048],
      ],
      [2, 4, 8, 16],
    ),
  gemm: () =>
    gemm(
      large,
      [
        [4096, 4096, 4096],
        [512, 8192, 2048],
        [512, 2048, 2048],
        [128, 2048, 2048],
        [32, 2048, 2048],
      ],
      variants,
    ),
  experts: () => experts(["Q8_0", "Q4_K"], [1, 8, 64, 128, 512, 2048], [["plain", plain]]),
};
console.log(gpu.description, JSON.stringify({ ...caps, limits: undefined }));
if (wanted.includes("compile")) await compile();
for (const [name, section] of Object.entries(sections)) if (wanted.length === 0 || wanted.includes(name)) await section();
device.destroy();
