/**
 * Every op, or the one named, in every case and format on the relaxed build, and attention in pieces: run in Deno by relaxed.test.ts, as Node 20
 * has no relaxed SIMD. Prints failures, a count, and the checksum of the bits over q8_0 caches.
 */

import { createHash } from "node:crypto";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { attentionBits, attentionInPieces } from "./attention_bits.ts";
import { formatsOf } from "./choices.ts";
import { compare, makeProblem } from "./harness.ts";

const backend = await WasmBackend.create({ build: "relaxed", threads: 2 });
let [passed, failed] = [0, 0];
for (const op of ops.allOps.filter(({ name }) => (process.argv[2] ?? name) === name)) {
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
const bits = createHash("sha256");
for (const [cache, group, D] of attentionBits.filter(([cache]) => cache === "Q8_0")) {
  const [whole, parts] = await attentionInPieces(backend, cache, group, D);
  bits.update(whole);
  if (Buffer.from(parts).equals(whole)) passed++;
  else {
    failed++;
    console.log(`attention ${cache} ${group} ${D}: other bits in pieces`);
  }
}
backend.close();
console.log(`${passed} passed, ${failed} failed`);
console.log(bits.digest("hex"));
