/** Every op, case and format on the relaxed build: run in Deno by relaxed.test.ts, as Node 20 has no relaxed SIMD. Prints failures, then a count. */

import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { formatsOf } from "./choices.ts";
import { compare, makeProblem } from "./harness.ts";

const backend = await WasmBackend.create({ build: "relaxed", threads: 2 });
let [passed, failed] = [0, 0];
for (const op of ops.allOps) {
  const apply = Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;
  for (const choice of formatsOf(op.inputs)) {
    const tolerance = op.cacheTolerance?.[choice.cache] ?? op.tolerance;
    for (const [i, sizes] of op.cases.entries()) {
      const error = await compare(backend, makeProblem(apply, op, sizes, choice, i + 1));
      if (error <= tolerance) passed++;
      else {
        failed++;
        console.log(`${op.name} ${choice.weight} ${choice.cache}, case ${i}: error ${error}, tolerance ${tolerance}`);
      }
    }
  }
}
backend.close();
console.log(`${passed} passed, ${failed} failed`);
