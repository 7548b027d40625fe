import { afterAll, describe, expect, it } from "vitest";
import { detectWasmFeatures } from "../../ts/backends/wasm/features.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import type { Format } from "../../ts/graph/formats.ts";
import type { Case } from "../../ts/graph/op.ts";
import { attention } from "../../ts/graph/ops/index.ts";
import { makeProblem, type Problem, runProblem } from "./harness.ts";

const builds = detectWasmFeatures().relaxedSimd ? (["simd", "relaxed"] as const) : (["simd"] as const);
const backends = await Promise.all(builds.map((build) => WasmBackend.create({ build, threads: 2 })));
afterAll(() => backends.forEach((backend) => void backend.close()));

/** The case of some of its tokens, on the same caches. */
function tokensOf(problem: Problem, sizes: Case, cache: Format, from: number, to: number): Problem {
  const part = { ...sizes, T: to - from } as Record<string, unknown>;
  for (const name of ["rows", "positions"]) part[name] = (sizes[name] as number[]).slice(from, to);
  const made = makeProblem(attention as never, attention.declaration, part as Case, { weight: "F32", cache });
  const all = new Map([...problem.data].map(([{ name }, bytes]) => [name, bytes]));
  const tokenBytes = all.get("q")!.length / (sizes.T as number);
  const data = [...made.data].map(([tensor, bytes]) => {
    if (tensor.name === "q") return [tensor, all.get("q")!.slice(from * tokenBytes, to * tokenBytes)] as const;
    return [tensor, tensor.type === "I32" ? bytes : all.get(tensor.name)!] as const;
  });
  return { ...made, data: new Map(data) };
}

// Chunks of 512 cells are merged: by other threads for few tokens than for many.
describe.each(backends.map((backend, i) => [builds[i], backend] as const))("attention over several chunks, %s", (_, backend) => {
  const T = 36;
  const positions = Array.from({ length: T }, (_, t) => (t < 30 ? 1000 + t : 505 + 2 * t));
  const rows = positions.map((_, t) => (t < 30 ? 1 : 0));
  it.each([
    ["F16", 4, 32],
    ["F16", 3, 32],
    ["F32", 4, 32],
    ["Q8_0", 8, 32],
    ["Q8_0", 4, 256],
  ] as const)("cache %s, %i heads a kv head, D %i: the same bits in one ubatch and token by token", async (cache, group, D) => {
    const sizes: Case = { T, H: 2 * group, G: 2, D, S: 2, N: 1100, scale: 0.2, rows, positions };
    const problem = makeProblem(attention as never, attention.declaration, sizes, { weight: "F32", cache });
    const [whole] = await runProblem(backend, problem);
    const cuts = [0, 1, 2, 5, 13, 28, 29, 30, 31, T];
    const parts: Uint8Array[] = [];
    for (let i = 1; i < cuts.length; i++)
      parts.push((await runProblem(backend, tokensOf(problem, sizes, cache, cuts[i - 1]!, cuts[i]!)))[0]!);
    expect(Buffer.concat(parts).equals(whole!)).toBe(true);
  });
});
