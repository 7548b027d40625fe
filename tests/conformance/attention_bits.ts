/** Attention over several chunks of 512 cells, which are merged by other threads for few tokens than for many. */

import type { Backend } from "../../ts/backends/backend.ts";
import type { Format } from "../../ts/graph/formats.ts";
import type { Case } from "../../ts/graph/op.ts";
import { attention } from "../../ts/graph/ops/index.ts";
import { makeProblem, type Problem, runProblem } from "./harness.ts";

/** Caches, heads a kv head and D. */
export const attentionBits = [
  ["F16", 4, 32],
  ["F16", 3, 32],
  ["F32", 4, 32],
  ["Q8_0", 8, 32],
  ["Q8_0", 4, 256],
] as const;

const T = 36;
const CUTS = [0, 1, 2, 5, 13, 28, 29, 30, 31, T];
const positions = Array.from({ length: T }, (_, t) => (t < 30 ? 1000 + t : 505 + 2 * t));
const rows = positions.map((_, t) => (t < 30 ? 1 : 0));

/** The result in one ubatch, and in several: the same bits. */
export async function attentionInPieces(backend: Backend, cache: Format, group: number, D: number): Promise<[Uint8Array, Uint8Array]> {
  const sizes: Case = { T, H: 2 * group, G: 2, D, S: 2, N: 1100, scale: 0.2, rows, positions };
  const problem = makeProblem(attention as never, attention.declaration, sizes, { weight: "F32", cache });
  const [whole] = await runProblem(backend, problem);
  const parts: Uint8Array[] = [];
  for (let i = 1; i < CUTS.length; i++)
    parts.push((await runProblem(backend, tokensOf(problem, sizes, cache, CUTS[i - 1]!, CUTS[i]!)))[0]!);
  return [whole!, Buffer.concat(parts)];
}

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
