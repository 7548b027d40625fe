import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../ts/backends/backend.ts";
import { detectWasmFeatures } from "../../ts/backends/wasm/features.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { formatsOf } from "./choices.ts";
import { compare, makeProblem } from "./harness.ts";

const { relaxedSimd } = detectWasmFeatures();
if (!relaxedSimd) console.warn("conformance: this runtime has no relaxed SIMD: that build is tested in Deno (relaxed.test.ts)");

const backends: [string, Backend][] = [
  ["wasm simd, 1 thread", await WasmBackend.create({ build: "simd", threads: 1 })],
  ["wasm simd, 2 threads", await WasmBackend.create({ build: "simd", threads: 2 })],
  ...(relaxedSimd ? [["wasm relaxed, 2 threads", await WasmBackend.create({ build: "relaxed", threads: 2 })] as [string, Backend]] : []),
];
afterAll(() => backends.forEach(([, backend]) => void backend.close()));

describe.each(backends)("%s", (_, backend) => {
  for (const op of ops.allOps) {
    const apply = Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;
    for (const choice of formatsOf(op.inputs)) {
      it(`${op.name} ${choice.weight === "F32" ? choice.cache : choice.weight}`, async () => {
        const tolerance = op.cacheTolerance?.[choice.cache] ?? op.tolerance;
        for (const [i, sizes] of op.cases.entries()) {
          const problem = makeProblem(apply, op, sizes, choice, i + 1);
          expect(backend.supports(problem.graph.nodes[0]!), `case ${i}: supported`).toBe(true);
          expect(await compare(backend, problem), `case ${i} ${JSON.stringify(sizes)}`).toBeLessThanOrEqual(tolerance);
        }
      });
    }
  }
});
