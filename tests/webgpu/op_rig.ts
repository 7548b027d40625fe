import { expect } from "vitest";
import type { WebGpuBackend } from "../../ts/backends/webgpu/webgpu.ts";
import type { Case, OpDeclaration } from "../../ts/graph/op.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { compare, type Formats, makeProblem } from "../conformance/harness.ts";

const applyOf = (op: OpDeclaration) => Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;

/** The GPU gives an op's result on random inputs of these sizes as the reference does, to the op's tolerance. */
export async function agree(backend: WebGpuBackend, op: OpDeclaration, sizes: Case, formats: Formats, seed: number): Promise<void> {
  const problem = makeProblem(applyOf(op), op, sizes, formats, seed);
  expect(backend.supports(problem.graph.nodes[0]!), `supported: ${JSON.stringify(sizes).slice(0, 120)}`).toBe(true);
  expect(await compare(backend, problem), JSON.stringify(sizes).slice(0, 120)).toBeLessThanOrEqual(op.tolerance);
}
