import { afterAll, describe, it } from "vitest";
import type { Format } from "../../ts/graph/formats.ts";
import type { OpDeclaration } from "../../ts/graph/op.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import type { Formats } from "../conformance/harness.ts";
import { testBackend } from "./adapter.ts";
import { agree } from "./op_rig.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const cacheTypes: readonly Format[] = ["F32", "F16", "Q8_0"];
/** The matmul family has its own suite, format by format; here a float and a quantised one go through the backend itself. */
const weightTypes: readonly Format[] = ["F16", "Q4_K"];

function formatsOf(op: OpDeclaration): Formats[] {
  if (op.inputs.w) return weightTypes.map((weight) => ({ weight, cache: "F32" }));
  const cached = Object.values(op.inputs).some((text) => text.startsWith("cache"));
  return (cached ? cacheTypes : cacheTypes.slice(0, 1)).map((cache) => ({ weight: "F32", cache }));
}

describe.skipIf(!backend)("every op on the GPU", () => {
  for (const op of ops.allOps) {
    for (const formats of formatsOf(op)) {
      it(`${op.name} ${op.inputs.w ? formats.weight : formats.cache}`, async () => {
        for (const [i, sizes] of op.cases.entries()) await agree(backend!, op, sizes, formats, i + 1);
      });
    }
  }
});
