import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Format, formatByName, formats, rowBytes } from "../../ts/graph/formats.ts";
import { builds } from "./kernels.ts";
import { blockOf, MatmulRig } from "./matmul_rig.ts";
import { normals, random } from "./weights.ts";

const names = formats.map((format) => format.name);
/** T, N, blocks of K: both sides of every tile and tail. */
const shapes = [
  [1, 8, 1],
  [2, 9, 2],
  [3, 1, 3],
  [4, 8, 1],
  [5, 6, 5],
  [7, 64, 2],
  [8, 9, 1],
  [33, 24, 3],
] as const;

describe.each(builds())("matmul, %s build", (build) => {
  const rig = new MatmulRig(build);

  test.each(names)("%s: exact activations match an f64 product", (format) => {
    const next = random(1);
    for (const [T, N, blocks] of shapes) {
      const K = blocks * blockOf(format);
      const w = rig.weights(format, N, K, next);
      // Whole numbers whose block maximum is 127 are their own quantisation.
      const x = rig.wholeNumbers(T, K, next);
      const { out, intact } = rig.matmul(format, x, w, T, N, K);
      expect(intact).toBe(true);
      expect(rig.worst(out, rig.product(format, x, w, T, N, K)), `T ${T} N ${N} K ${K}`).toBeLessThan(1e-5);
    }
  });

  test.each(names)("%s: rounded activations stay within the quantisation bound", (format) => {
    const next = random(2);
    const [T, N, K] = [6, 17, 1024];
    const w = rig.weights(format, N, K, next);
    const x = normals(T * K, next);
    const { out } = rig.matmul(format, x, w, T, N, K);
    // The step is max/127, near 2.8 sigma / 127 over 256 normals, its error step/√12: 0.6 % of the result's size, four times that at worst.
    const bound = formatByName(format).blockSize === 1 ? 1e-6 : 0.03;
    expect(rig.worst(out, rig.product(format, x, w, T, N, K))).toBeLessThan(bound);
  });

  test.each(names)("%s: a token's result does not depend on T, nor on the split of units", (format) => {
    const next = random(3);
    const [T, N, K] = [33, 41, 1280];
    const w = rig.weights(format, N, K, next);
    const x = normals(T * K, next);
    const all = rig.matmul(format, x, w, T, N, K).out;
    expect(rig.matmul(format, x, w, T, N, K, 4).out).toEqual(all);
    for (const some of [2, 3, 5, 8, 12, 16, 17, 32]) {
      expect(rig.matmul(format, x.slice(0, some * K), w, some, N, K).out, `of ${some}`).toEqual(all.slice(0, some * N));
    }
    for (let t = 0; t < T; t++) {
      const alone = rig.matmul(format, x.slice(t * K, (t + 1) * K), w, 1, N, K).out;
      expect(alone).toEqual(all.slice(t * N, (t + 1) * N)); // the same bits: see assembly/matmul/gemm.ts
    }
  });

  test.each(["Q4_K", "Q6_K"] as const)("%s: rows so short that a strip takes several give the bits of a token alone", (format) => {
    const next = random(9);
    for (const [N, K] of [
      [3, 256],
      [41, 256],
      [64, 256],
      [22, 512],
      [37, 768],
    ] as const) {
      const w = rig.weights(format, N, K, next);
      const x = normals(16 * K, next);
      const alone = Array.from({ length: 16 }, (_, t) => rig.matmul(format, x.slice(t * K, (t + 1) * K), w, 1, N, K).out);
      for (const T of [2, 3, 8, 16]) {
        const { out, intact } = rig.matmul(format, x.slice(0, T * K), w, T, N, K, 2);
        expect(intact).toBe(true);
        for (let t = 0; t < T; t++) expect(out.slice(t * N, (t + 1) * N), `token ${t} of ${T}, N ${N} K ${K}`).toEqual(alone[t]);
      }
    }
  });

  test("Q8_0: rows with normal, subnormal and zero scales, and K beyond the last four blocks", () => {
    const next = random(7);
    const [T, N] = [9, 11];
    for (const K of [96, 128, 224, 1280]) {
      const w = rig.weights("Q8_0", N, K, next);
      const scales = new DataView(w.buffer, w.byteOffset, w.byteLength);
      for (let p = 0; p < w.length; p += 34) scales.setUint16(p, 0x2000 + Math.floor(next() * 1024), true);
      scales.setUint16(rowBytes("Q8_0", K) * 3, 0x8123, true); // row 3, block 0: subnormal
      scales.setUint16(rowBytes("Q8_0", K) * 6 - 34, 0, true); // row 5, last block
      const x = rig.wholeNumbers(T, K, next);
      const all = rig.matmul("Q8_0", x, w, T, N, K).out;
      expect(rig.worst(all, rig.product("Q8_0", x, w, T, N, K)), `K ${K}`).toBeLessThan(1e-5);
      for (let t = 0; t < T; t++) {
        expect(rig.matmul("Q8_0", x.slice(t * K, (t + 1) * K), w, 1, N, K).out).toEqual(all.slice(t * N, (t + 1) * N));
      }
    }
  });

  test("F32, F16 and BF16 take any K", () => {
    const next = random(4);
    for (const format of ["F32", "F16", "BF16"] as const) {
      for (const K of [1, 3, 5, 17, 127, 1027]) {
        for (const T of [1, 6]) {
          const w = rig.weights(format, 9, K, next);
          const x = normals(T * K, next);
          const { out, intact } = rig.matmul(format, x, w, T, 9, K);
          expect(intact).toBe(true);
          expect(rig.worst(out, rig.product(format, x, w, T, 9, K))).toBeLessThan(1e-6);
        }
      }
    }
  });

  test("zero and not-a-number activations", () => {
    const next = random(5);
    const w = rig.weights("Q4_K", 8, 256, next);
    expect(rig.matmul("Q4_K", new Float32Array(256), w, 1, 8, 256).out).toEqual(new Float32Array(8));
    const bad = normals(512, next);
    bad[3] = NaN;
    const { out } = rig.matmul("Q4_K", bad, w, 2, 8, 256);
    expect(out.subarray(0, 8).every(Number.isNaN)).toBe(true); // a NaN is seen, and only in its row
    expect(out.subarray(8).some(Number.isNaN)).toBe(false);
  });

  test.each(["F32", "BF16", "Q8_0", "Q4_1", "Q4_K", "Q6_K", "Q2_K", "MXFP4"] as const)("experts in %s", (format: Format) => {
    const next = random(6);
    const [X, N, K] = [5, 19, 512];
    const w = rig.weights(format, X * N, K, next);
    const cases = [
      { T: 1, U: 2, B: 1, ids: [4, 0] },
      { T: 1, U: 2, B: 2, ids: [1, 1] },
      { T: 3, U: 2, B: 2, ids: [-1, 5, 0, 1, 99, -2147483648] }, // outside 0..4: the last expert
      { T: 13, U: 3, B: 1, ids: Array.from({ length: 39 }, (_, i) => (i % 7 === 0 ? 3 : 0)) }, // 1, 2 and 4 unused
      { T: 13, U: 3, B: 3, ids: Array.from({ length: 39 }, () => Math.floor(next() * X)) },
    ];
    for (const { T, U, B, ids } of cases) {
      const x = rig.wholeNumbers(T * B, K, next);
      const { out, intact } = rig.experts(format, x, w, Int32Array.from(ids), T, U, B, X, N, K);
      expect(intact).toBe(true);
      const size = N * rowBytes(format, K);
      const want = new Float64Array(T * U * N);
      for (let slot = 0; slot < T * U; slot++) {
        const expert = Math.min(ids[slot]! >>> 0, X - 1);
        const row = Math.floor(slot / U) * B + (B === 1 ? 0 : slot % U);
        const xRow = x.subarray(row * K, (row + 1) * K);
        want.set(rig.product(format, xRow, w.subarray(expert * size, (expert + 1) * size), 1, N, K), slot * N);
      }
      expect(rig.worst(out, want), `T ${T} B ${B}`).toBeLessThan(1e-5);
    }
  });
});

test("the relaxed build with each of its tiles, in Deno", () => {
  const file = fileURLToPath(new URL("./relaxed-deno.ts", import.meta.url));
  const { stdout, stderr } = spawnSync("npx", ["deno", "run", "-A", file], { encoding: "utf8" });
  expect(stdout.trim(), stderr).toBe("ok");
});
