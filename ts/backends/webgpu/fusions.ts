import cacheEncode from "../../../gpu/cache_encode.wgsl";
import commonSum from "../../../gpu/common_sum.wgsl";
import headRow from "../../../gpu/head_row.wgsl";
import kvWriteText from "../../../gpu/kv_write.wgsl";
import kvWriteNormRope from "../../../gpu/kv_write_norm_rope.wgsl";
import kvWriteOnly from "../../../gpu/kv_write_only.wgsl";
import kvWriteQueries from "../../../gpu/kv_write_queries.wgsl";
import normRopeText from "../../../gpu/norm_rope.wgsl";
import normRopeOnly from "../../../gpu/norm_rope_heads.wgsl";
import normRopeQ from "../../../gpu/norm_rope_q.wgsl";
import sumNorm from "../../../gpu/sum_norm.wgsl";
import sumNormRows from "../../../gpu/sum_norm_rows.wgsl";
import termAdd from "../../../gpu/term_add.wgsl";
import termExperts from "../../../gpu/term_experts.wgsl";
import termShared from "../../../gpu/term_shared.wgsl";
import tokens from "../../../gpu/tokens.wgsl";
import type { Format } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import { type Node, showShape, type Tensor } from "../../graph/tensor.ts";
import { withConv } from "./conv-store.ts";
import type { GpuRange, LoweringContext } from "./dispatch.ts";
import type { Fusion, Neighbourhood } from "./fuse.ts";
import { dispatch, f32, fold, rowWorkgroup } from "./kernel.ts";
import { attentionDispatches, HEAD_WG, kvWriteBindings, kvWriteConstants } from "./lower-cache.ts";
import { deltaNormSupported } from "./lower-delta.ts";
import { deltaDispatches } from "./lower-delta-form.ts";
import { lowerSiluMul } from "./lower-elementwise.ts";
import { lowerMatmul, lowerMatmulExperts } from "./matmul.ts";
import { canMakeSilu } from "./matmul-kernels.ts";
import { rowRounding } from "./rounding.ts";

/** Looks for a group of nodes, from the one that would be its first or its anchor. */
type Pattern = (node: Node, around: Neighbourhood) => Fusion | undefined;

const alike = (a: Tensor, b: Tensor): boolean => showShape(a.shape) === showShape(b.shape);
/** No extents of weights vary, and the sizes that patterns ask for do not either. */
const FIXED = { T: 1, O: 1 };

/** The residual step before a norm: x + y, or x + experts, or x + experts + gated shared expert. One kernel writes sum and norm. */
const residualNorm: Pattern = (norm, around) => {
  const add = norm.op.name === "rms_norm" ? around.maker(norm.inputs.x!, "add") : undefined;
  if (!add) return undefined;
  const { x, y } = add.inputs as { x: Tensor; y: Tensor };
  if (!alike(x, y) || x.storage === y.storage || !alike(norm.inputs.x!, add.outputs.out!)) return undefined;
  const branch = mixture(y, around);
  const nodes = [...branch.nodes, add, norm];
  const E = norm.inputs.x!.shape.at(-1) as number;
  const eps = norm.params.eps!;
  const lower = (context: LoweringContext) => {
    const { dims, range } = context;
    const { T } = scalarsOf(norm, dims);
    const outs = [
      ["read_write", range(add.outputs.out!)],
      ["read_write", range(norm.outputs.out!)],
      ["read", range(norm.inputs.weight!)],
    ] as const;
    const terms = [x, ...branch.reads].map((tensor): readonly ["read", GpuRange] => ["read", range(tensor)]);
    const { files, ...rounded } = rowRounding(norm.outputs.out!, E, outs.length + terms.length, context);
    const constants = { WG: rowWorkgroup(E), E, EPS: f32(eps), ...branch.constants, ...rounded.constants };
    const bindings = [...outs, ...terms, ...rounded.bindings];
    return [dispatch(`${branch.name} + rms_norm`, [commonSum, branch.file, ...files, sumNorm, sumNormRows], constants, bindings, fold(T!))];
  };
  return { nodes, elided: branch.elided, lower };
};

interface Branch {
  readonly name: string;
  readonly file: string;
  readonly nodes: readonly Node[];
  readonly elided: readonly Tensor[];
  /** What term_*.wgsl binds after x. */
  readonly reads: readonly Tensor[];
  readonly constants: Readonly<Record<string, number>>;
}

/** How the second operand of a residual step comes about, as far as nobody else wants it. */
function mixture(y: Tensor, around: Neighbourhood): Branch {
  const plain = { name: "add", file: termAdd, nodes: [], elided: [], reads: [y], constants: {} };
  if (!around.reader(y, "add")) return plain;
  const alone = around.maker(y, "experts_sum");
  if (alone) return { ...experts(alone), name: "experts_sum + add", file: termExperts };
  const add = around.maker(y, "add");
  const routed = add && around.maker(add.inputs.x!, "experts_sum");
  const gated = add && around.maker(add.inputs.y!, "sigmoid_mul");
  if (!routed || !gated || !around.reader(routed.outputs.out!, "add") || !around.reader(gated.outputs.out!, "add")) return plain;
  if (gated.inputs.gate!.shape.at(-1) !== 1 || !alike(gated.outputs.out!, routed.outputs.out!)) return plain;
  const sum = experts(routed);
  return {
    name: "experts_sum + shared + add",
    file: termShared,
    nodes: [routed, gated, add],
    elided: [...sum.elided, gated.outputs.out!, y],
    reads: [...sum.reads, gated.inputs.x!, gated.inputs.gate!],
    constants: sum.constants,
  };
}

function experts(sum: Node): Pick<Branch, "nodes" | "elided" | "reads" | "constants"> {
  const { x, weights } = sum.inputs;
  return { nodes: [sum], elided: [sum.outputs.out!], reads: [x!, weights!], constants: { U: weights!.shape.at(-1) as number } };
}

/** A head's norm and its rotation, between which nobody else reads. */
interface NormRope {
  readonly norm: Node;
  readonly rope: Node;
}

/** Elements of a head that lie in fast memory beside the sum's: well inside 16 KiB. */
const MAX_ROW = 2048;

function normRope(norm: Node | undefined, around: Neighbourhood): NormRope | undefined {
  const rope = norm?.op.name === "rms_norm" ? around.reader(norm.outputs.out!, "rope") : undefined;
  if (!norm || !rope) return undefined;
  const { D } = scalarsOf(rope, FIXED);
  return norm.inputs.weight!.shape[0] === D && D! <= MAX_ROW ? { norm, rope } : undefined;
}

/** What norm_rope_q.wgsl binds: out, x and the norm's weight. */
function queryBindings({ norm, rope }: NormRope, range: LoweringContext["range"]) {
  const reads = [norm.inputs.x!, norm.inputs.weight!].map((tensor) => ["read", range(tensor)] as const);
  return [["read_write", range(rope.outputs.out!)] as const, ...reads];
}

/** Query heads' norm and rotation. */
const normRopeHeads: Pattern = (first, around) => {
  const found = normRope(first, around);
  if (!found || around.reader(found.rope.outputs.out!, "kv_write")) return undefined;
  const { norm, rope } = found;
  const lower = ({ dims, range }: LoweringContext) => {
    const { T, H, D, P } = scalarsOf(rope, dims) as Record<string, number>;
    const constants = { WG: HEAD_WG, H: H!, D: D!, P: P!, EPS: f32(norm.params.eps!), OUT: 0, X: 1, NORM: 2 };
    const bindings = [...queryBindings(found, range), ["read", range(rope.inputs.rotation!)] as const];
    return [dispatch("rms_norm + rope", [commonSum, headRow, normRopeText, normRopeQ, normRopeOnly], constants, bindings, fold(T! * H!))];
  };
  return { nodes: [norm, rope], elided: [norm.outputs.out!], lower };
};

/** What kv_write_norm_rope.wgsl, with norm_rope_q.wgsl behind it, binds. */
const CACHE_BINDINGS = 8;
const QUERY_BINDINGS = 3;

/** Key heads' norm and rotation on their way into the cache, the values beside them; the queries of the attention that reads it, too. */
const normRopeCache: Pattern = (first, around) => {
  const keys = normRope(first, around);
  const write = keys && around.reader(keys.rope.outputs.out!, "kv_write");
  if (!write || write.inputs.k!.storage !== keys.rope.outputs.out!.storage) return undefined;
  const queries = queriesOf(write, keys, around);
  const lower = ({ dims, range }: LoweringContext) => {
    const s = scalarsOf(write, dims);
    const { norm, rope } = keys;
    const constants = { ...kvWriteConstants(write, s), P: scalarsOf(rope, dims).P!, EPS: f32(norm.params.eps!) };
    const own = [norm.inputs.weight!, rope.inputs.rotation!].map((tensor) => ["read", range(tensor)] as const);
    const files = [tokens, commonSum, headRow, normRopeText, cacheEncode, kvWriteNormRope, kvWriteText];
    const bindings = [...kvWriteBindings(write, range, norm.inputs.x!), ...own];
    const heads = 2 * s.T! * s.G!;
    if (!queries) return [dispatch("rms_norm + rope + kv_write", [...files, kvWriteOnly], constants, bindings, fold(heads))];
    const { H } = scalarsOf(queries.rope, dims);
    const places = { H: H!, OUT: CACHE_BINDINGS, X: CACHE_BINDINGS + 1, NORM: CACHE_BINDINGS + 2 };
    const all = [...bindings, ...queryBindings(queries, range)];
    const name = "rms_norm + rope + kv_write + queries";
    return [dispatch(name, [...files, kvWriteQueries, normRopeQ], { ...constants, ...places }, all, fold(heads + s.T! * H!))];
  };
  const nodes = [keys, ...(queries ? [queries] : [])].flatMap(({ norm, rope }) => [norm, rope]);
  const elided = [keys.norm.outputs.out!, keys.rope.outputs.out!, ...(queries ? [queries.norm.outputs.out!] : [])];
  return { nodes: [...nodes, write], elided, lower };
};

/** The queries that attend to the cache that `write` fills, where the same kernel can make them. */
function queriesOf(write: Node, keys: NormRope, around: Neighbourhood): NormRope | undefined {
  if (CACHE_BINDINGS + QUERY_BINDINGS > around.caps.limits.maxStorageBuffersPerShaderStage) return undefined;
  const attention = around.user(write.inputs.kCache!, "attention");
  const rope = attention && around.maker(attention.inputs.q!, "rope");
  const found = rope && normRope(around.maker(rope.inputs.x!, "rms_norm"), around);
  if (!found || found.rope !== rope) return undefined;
  const [a, b] = [scalarsOf(found.rope, FIXED), scalarsOf(keys.rope, FIXED)];
  const same = a.D === b.D && a.P === b.P && found.norm.params.eps === keys.norm.params.eps;
  return same && rope.inputs.rotation!.storage === keys.rope.inputs.rotation!.storage ? found : undefined;
}

/** The output gate in the kernel that writes the attention's answer. */
const gatedAttention: Pattern = (attention, around) => {
  const gated = attention.op.name === "attention" ? around.reader(attention.outputs.out!, "sigmoid_mul") : undefined;
  if (!gated || gated.inputs.x!.storage !== attention.outputs.out!.storage) return undefined;
  const { F, M } = scalarsOf(gated, FIXED);
  if (F !== M) return undefined;
  const lower = (context: LoweringContext) => attentionDispatches(attention, context, gated.outputs.out!, gated.inputs.gate!);
  return { nodes: [attention, gated], elided: [attention.outputs.out!], lower };
};

/** The delta net's output norm where a workgroup holds a whole head. */
const deltaNorm: Pattern = (delta, around) => {
  const norm = delta.op.name === "gated_delta" ? around.reader(delta.outputs.out!, "gated_norm") : undefined;
  if (!norm || norm.inputs.x!.storage !== delta.outputs.out!.storage) return undefined;
  const s = scalarsOf(delta, FIXED);
  if (scalarsOf(norm, FIXED).D !== s.Dv || !deltaNormSupported(s, around.caps.limits)) return undefined;
  const lower = (context: LoweringContext) => deltaDispatches(delta, context, norm);
  return { nodes: [delta, norm], elided: [delta.outputs.out!], lower };
};

/** The convolution in the matmul whose answer it reads. A merged one's has no need of this: see merge.ts. */
const matmulConv: Pattern = (matmul, around) => {
  const conv = matmul.op.name === "matmul" ? around.reader(matmul.outputs.out!, "conv1d") : undefined;
  if (!conv) return undefined;
  const lower = (context: LoweringContext) => withConv(lowerMatmul(matmul, context), conv, 0, context);
  return { nodes: [matmul, conv], elided: [], lower };
};

/** The inside of a small expert in the matmul behind it: for one token; the value has memory of its own for more. */
const siluMatmul: Pattern = (silu, around) => {
  if (silu.op.name !== "silu_mul") return undefined;
  const { out } = silu.outputs as { out: Tensor };
  const down = around.reader(out, "matmul_experts") ?? around.reader(out, "matmul");
  if (!down || down.inputs.x!.storage !== out.storage || !canMakeSilu(down.inputs.w!.type as Format, out.shape.at(-1) as number))
    return undefined;
  const lowerDown = down.op.name === "matmul" ? lowerMatmul : lowerMatmulExperts;
  const lower = (context: LoweringContext) =>
    scalarsOf(down, context.dims).T === 1 ? lowerDown(down, context, silu) : [...lowerSiluMul(silu, context), ...lowerDown(down, context)];
  return { nodes: [silu, down], elided: [], lower };
};

/** In the order in which they are tried. */
export const patterns: readonly Pattern[] = [siluMatmul, matmulConv, residualNorm, normRopeCache, normRopeHeads, gatedAttention, deltaNorm];
