import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../ts/backends/backend.ts";
import { detectWasmFeatures } from "../../ts/backends/wasm/features.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { type Format, formats } from "../../ts/graph/formats.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { compare, type Formats, makeProblem } from "./harness.ts";

const { relaxedSimd } = detectWasmFeatures();
if (!relaxedSimd) console.warn("conformance: this runtime has no relaxed SIMD: that build is tested in Deno (relaxed.test.ts)");

const backends: [string, Backend][] = [
  ["wasm simd, 1 thread", await WasmBackend.create({ build: "simd", threads: 1 })],
  ["wasm simd, 2 threads", await WasmBackend.create({ build: "simd", threads: 2 })],
  ...(relaxedSimd ? [["wasm relaxed, 2 threads", await WasmBackend.create({ build: "relaxed", threads: 2 })] as [string, Backend]] : []),
];
afterAll(() => backends.forEach(([, backend]) => void backend.close()));

const cacheTypes: readonly Format[] = ["F32", "F16", "Q8_0"];

/** Every choice of formats that makes a difference to an op. */
function formatsOf(inputs: Readonly<Record<string, string>>): Formats[] {
  const texts = Object.values(inputs);
  if (texts.some((text) => text.startsWith("weight"))) return formats.map(({ name }) => ({ weight: name, cache: "F32" }));
  if (texts.some((text) => text.startsWith("cache"))) return cacheTypes.map((cache) => ({ weight: "F32", cache }));
  return [{ weight: "F32", cache: "F32" }];
}

describe.each(backends)("%s", (_, backend) => {
  for (const op of ops.allOps) {
    const apply = Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;
    for (const choice of formatsOf(op.inputs)) {
      it(`${op.name} ${choice.weight === "F32" ? choice.cache : choice.weight}`, async () => {
        for (const [i, sizes] of op.cases.entries()) {
          const problem = makeProblem(apply, op, sizes, choice, i + 1);
          expect(backend.supports(problem.graph.nodes[0]!), `case ${i}: supported`).toBe(true);
          expect(await compare(backend, problem), `case ${i} ${JSON.stringify(sizes)}`).toBeLessThanOrEqual(op.tolerance);
        }
      });
    }
  }
});
