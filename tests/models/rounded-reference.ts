import type { Plan, Split } from "../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import { type Format, formatByName } from "../../ts/graph/formats.ts";
import type { Node, OpLike } from "../../ts/graph/tensor.ts";

/**
 * The reference with one freedom that the ops leave to backends taken as the CPU takes it: a matmul over a quantised weight rounds its
 * activations to 8 bits a block. Random models answer such rounding with differences as large as themselves here and there (a router's
 * choice, the sign of a vanishing q · k before a norm), so that nothing but the same rounding tells right from wrong.
 */
export class RoundedReference extends ReferenceBackend {
  override async prepare(split: Split): Promise<Plan> {
    return super.prepare({ ...split, nodes: split.nodes.map(withRoundedInput) });
  }
}

function withRoundedInput(node: Node): Node {
  if (node.op.name !== "matmul" && node.op.name !== "matmul_experts") return node;
  const { blockSize } = formatByName(node.inputs.w!.type as Format);
  if (blockSize === 1) return node;
  const reference: OpLike["reference"] = (args, scalars) => {
    const { x } = args as unknown as { x: Float32Array };
    node.op.reference({ ...(args as object), x: roundedActivations(x, blockSize) } as never, scalars);
  };
  return { ...node, op: { ...node.op, reference } };
}

/** As assembly/ops/quantize.ts: the largest magnitude of a block becomes 127, halves go to even. */
export function roundedActivations(x: Float32Array, block: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += block) {
    const values = x.subarray(start, start + block);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const inverse = largest > 1e-30 ? Math.fround(127 / largest) : 0;
    const scale = Math.fround(largest / 127);
    for (let i = 0; i < values.length; i++) out[start + i] = scale * nearestEven(Math.fround(values[i]! * inverse));
  }
  return out;
}

function nearestEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
