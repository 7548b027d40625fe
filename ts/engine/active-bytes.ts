import { tensorBytes } from "../graph/bytes.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import type { Config } from "../models/config.ts";
import type { Schedule, Target } from "../schedule/schedule.ts";

/** No extents of a weight vary. */
const FIXED = { T: 1, O: 1 };

/**
 * Bytes of weights that a run of so many tokens reads on each backend, in the file's formats: of the embedding a row a token, of experts
 * those that a router without favourites picks for so many tokens, (1 - (1 - U/X)^tokens) of them, and everything else once. KV cache and
 * recurrent state are not counted.
 */
export function activeBytes(
  { splits }: Pick<Schedule, "splits">,
  targets: readonly Pick<Target, "name">[],
  { U, X }: Pick<Config, "U" | "X">,
  tokens: number,
): ReadonlyMap<string, number> {
  const share = (node: Node, weight: Tensor) => {
    if (node.op.name === "get_rows") return Math.min(1, tokens / (weight.shape[0] as number));
    return node.op.name === "matmul_experts" ? 1 - (1 - U / X) ** tokens : 1;
  };
  const bytes = new Map<string, number>();
  for (const { target, nodes } of splits) {
    const { name } = targets[target]!;
    for (const node of nodes) {
      for (const weight of Object.values(node.inputs).filter(({ kind }) => kind === "weight"))
        bytes.set(name, (bytes.get(name) ?? 0) + share(node, weight) * tensorBytes(weight, FIXED));
    }
  }
  return bytes;
}
