import attentionText from "../../../gpu/attention.wgsl";
import attentionJoin from "../../../gpu/attention_join.wgsl";
import attentionOut from "../../../gpu/attention_out.wgsl";
import attentionShare from "../../../gpu/attention_share.wgsl";
import cacheEncode from "../../../gpu/cache_encode.wgsl";
import cacheRead from "../../../gpu/cache_read.wgsl";
import gateNone from "../../../gpu/gate_none.wgsl";
import gateSigmoid from "../../../gpu/gate_sigmoid.wgsl";
import headRow from "../../../gpu/head_row.wgsl";
import kvWriteText from "../../../gpu/kv_write.wgsl";
import kvWriteOnly from "../../../gpu/kv_write_only.wgsl";
import kvWritePlain from "../../../gpu/kv_write_plain.wgsl";
import tokens from "../../../gpu/tokens.wgsl";
import { type Format, formatByName } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Scalars, Tensor } from "../../graph/tensor.ts";
import type { Dispatch, LoweringContext, LowerNode } from "./dispatch.ts";
import { dispatch, f32, fold } from "./kernel.ts";
import { rowRounding } from "./rounding.ts";

/** Invocations that encode one head: a word of the cache each or so. */
export const HEAD_WG = 64;

/** ggml's number of a cache's type, as cache_read.wgsl and cache_encode.wgsl know it. */
export const cacheType = (tensor: Tensor): number => formatByName(tensor.type as Format).ggmlType;

export const lowerKvWrite: LowerNode = (node, { dims, range }) => {
  const s = scalarsOf(node, dims);
  const files = [tokens, headRow, cacheEncode, kvWritePlain, kvWriteOnly, kvWriteText];
  return [dispatch("kv_write", files, kvWriteConstants(node, s), kvWriteBindings(node, range), fold(2 * s.T! * s.G!))];
};

export function kvWriteConstants(node: Node, s: Scalars): Record<string, number> {
  const { kCache, vCache } = node.inputs;
  return { WG: HEAD_WG, G: s.G!, N: s.N!, D: s.D!, K_TYPE: cacheType(kCache!), V_TYPE: cacheType(vCache!) };
}

/** Bindings 0 to 5 of kv_write.wgsl; `k` and `v` may come from elsewhere. */
export function kvWriteBindings({ inputs }: Node, range: LoweringContext["range"], k = inputs.k!) {
  return [
    ["read", range(k)],
    ["read", range(inputs.v!)],
    ["read_write", range(inputs.kCache!)],
    ["read_write", range(inputs.vCache!)],
    ["read", range(inputs.rows!)],
    ["read", range(inputs.positions!)],
  ] as const;
}

/** Invocations of an attention workgroup: 4 a cell of a block in the scores, and two groups of quads at D = 256. */
const ATTENTION_WG = 128;
/** Query rows of a workgroup: each key and value is read once for all of them; more would spill registers (a quad of sums each). */
const MAX_ROWS = 16;
/** Workgroups that keep a large GPU busy: one that has fewer splits the cells. H100: 132 multiprocessors. */
const BUSY_WORKGROUPS = 256;
/** Fewer cells than this are not worth a share: a share of two blocks of 32 costs about as much as the join. */
const MIN_BLOCKS = 2;
const BLOCK_CELLS = 32;
/** The join reads every share of a head in a row. */
const MAX_SPLITS = 64;

/** Largest head: a row's quads must fit into a workgroup's invocations. */
export const MAX_HEAD = 4 * ATTENTION_WG;

interface Tiling {
  /** Heads and tokens of a workgroup. */
  readonly HB: number;
  readonly TT: number;
  readonly SPLITS: number;
  readonly workgroups: readonly [number, number, number];
}

function tile({ T, H, G, N }: Scalars): Tiling {
  const perKv = H! / G!;
  let HB = Math.min(perKv, MAX_ROWS);
  while (perKv % HB !== 0) HB--; // heads of a workgroup share their kv head
  const TT = 2 ** Math.floor(Math.log2(Math.min(T!, Math.max(1, MAX_ROWS / HB)))); // few choices: each is a pipeline
  const [x, y] = [H! / HB, Math.ceil(T! / TT)];
  const most = Math.min(MAX_SPLITS, Math.ceil(N! / (MIN_BLOCKS * BLOCK_CELLS)));
  const SPLITS = Math.max(1, Math.min(most, Math.floor(BUSY_WORKGROUPS / (x * y))));
  return { HB, TT, SPLITS, workgroups: [x, y, SPLITS] };
}

/** `gate`, of out's shape: multiply by its sigmoid. `out`: where to write, where a fusion writes another tensor. */
export function attentionDispatches(node: Node, context: LoweringContext, out: Tensor, gate?: Tensor): readonly Dispatch[] {
  const { dims, range, scratch } = context;
  const s = scalarsOf(node, dims);
  const { q, kCache, vCache, rows, positions } = node.inputs as Record<string, Tensor>;
  const { HB, TT, SPLITS, workgroups } = tile(s);
  const [T, H, G, D, N] = [s.T!, s.H!, s.G!, s.D!, s.N!];
  const constants = {
    WG: ATTENTION_WG,
    H,
    G,
    D,
    N,
    HB,
    TT,
    MIN_BLOCKS,
    SCALE: f32(s.scale!),
    K_TYPE: cacheType(kCache!),
    V_TYPE: cacheType(vCache!),
  };
  const reads = [q!, kCache!, vCache!, rows!, positions!].map((tensor) => ["read", range(tensor)] as const);
  const gateFile = gate ? gateSigmoid : gateNone;
  const gateBinding = gate ? [["read", range(gate)] as const] : [];
  if (SPLITS === 1) {
    const bindings = [...reads, ["read_write", range(out)] as const, ...gateBinding];
    return [
      dispatch("attention", [tokens, cacheRead, gateFile, attentionOut, attentionText], { ...constants, GATE: 6 }, bindings, workgroups),
    ];
  }
  const shares = scratch("attention shares", 4 * T * H * SPLITS * D);
  const stats = scratch("attention stats", 8 * T * H * SPLITS);
  const parts = [...reads, ["read_write", shares] as const, ["read_write", stats] as const];
  const join = [["read_write", range(out)] as const, ["read", shares] as const, ["read", stats] as const, ...gateBinding];
  const { files, ...rounded } = rowRounding(out, D, join.length, context);
  const joinConstants = { WG: HEAD_WG, D, GATE: 3, ...rounded.constants };
  return [
    dispatch("attention share", [tokens, cacheRead, attentionShare, attentionText], constants, parts, workgroups),
    dispatch("attention join", [gateFile, ...files, attentionJoin], joinConstants, [...join, ...rounded.bindings], fold(T * H)),
  ];
}

export const lowerAttention: LowerNode = (node, context) => attentionDispatches(node, context, node.outputs.out!);
