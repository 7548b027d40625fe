import matmulFinish from "../../../gpu/matmul_finish.wgsl";
import sumNormMatmul from "../../../gpu/sum_norm_matmul.wgsl";
import sumNormRows from "../../../gpu/sum_norm_rows.wgsl";
import termAdd from "../../../gpu/term_add.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { Dispatch, GpuCapabilities, LoweringContext } from "./dispatch.ts";
import type { Unit } from "./fuse.ts";
import { fold } from "./kernel.ts";
import { laneSums } from "./matmul-kernels.ts";
import { UNIT, unitsOf } from "./matmul-packing.ts";

/** Rows of w that a workgroup of sum_norm_matmul.wgsl takes. */
const ROWS = 4;

/** Units with a residual step, its norm and the F32 matmul (of a router) behind it made one: for one token they are one dispatch. */
export function withNormMatmuls(units: readonly Unit[]): readonly Unit[] {
  const joined: Unit[] = [];
  for (const unit of units) {
    const before = joined.at(-1);
    if (before && readsNorm(unit, before)) joined[joined.length - 1] = join(before, unit);
    else joined.push(unit);
  }
  return joined;
}

function readsNorm({ nodes }: Unit, before: Unit): boolean {
  const norm = before.nodes.at(-1)!;
  if (before.nodes.length !== 2 || before.nodes[0]!.op.name !== "add" || norm.op.name !== "rms_norm") return false;
  const { storage } = norm.outputs.out!;
  return nodes.every(({ op, inputs }) => op.name === "matmul" && inputs.w!.type === "F32" && inputs.x!.storage === storage);
}

function join(norm: Unit, matmul: Unit): Unit {
  const lower = (context: LoweringContext) => {
    const [first, second] = [norm.lower(context), matmul.lower(context)];
    const { T } = scalarsOf(norm.nodes.at(-1)!, context.dims);
    return (T === 1 && together(first, second, context.caps)) || [...first, ...second];
  };
  const made = new Set(norm.writes.map(({ storage }) => storage));
  const reads = [...norm.reads, ...matmul.reads.filter(({ storage }) => !made.has(storage))];
  return { nodes: [...norm.nodes, ...matmul.nodes], reads, writes: [...norm.writes, ...matmul.writes], lower };
}

/** One token's two dispatches as one. Undefined where there are more of either, or too few bindings. */
function together(norms: readonly Dispatch[], matmuls: readonly Dispatch[], caps: GpuCapabilities): Dispatch[] | undefined {
  const [norm, matmul] = [norms[0], matmuls[0]];
  if (norms.length !== 1 || matmuls.length !== 1 || !norm || !matmul) return undefined;
  const files = norm.kernel.files;
  if (!files.includes(sumNormRows) || !files.includes(termAdd) || !matmul.kernel.files.includes(matmulFinish)) return undefined;
  const n = norm.bindings.length;
  const { N, K } = matmul.kernel.constants as { N: number; K: number };
  const WORKGROUP = norm.kernel.constants.WG as number;
  const sums = laneSums(WORKGROUP, caps);
  if (n + 2 > caps.limits.maxStorageBuffersPerShaderStage || K !== norm.kernel.constants.E) return undefined;
  const kernel = {
    ...norm.kernel,
    name: `${norm.kernel.name} + ${matmul.kernel.name}`,
    files: [...files.filter((file) => file !== sumNormRows), sums.file, sumNormMatmul],
    constants: { ...norm.kernel.constants, ...sums.constants, WORKGROUP, N, W_STRIDE: unitsOf(K) * UNIT, PRODUCT: n, PRODUCT_W: n + 1 },
    enables: sums.enables,
    access: [...norm.kernel.access, "read_write", "read"] as const,
  };
  // Of one token, the outputs of merged matmuls lie one after the other as their rows do: product[n] is theirs as well.
  const [w, product] = [matmul.bindings[0]!, matmul.bindings[5]!];
  return [{ kernel, bindings: [...norm.bindings, product, w], workgroups: fold(1 + Math.ceil(N / ROWS)) }];
}
