import commonSum from "../../../gpu/common_sum.wgsl";
import conv1dText from "../../../gpu/conv1d.wgsl";
import conv1dState from "../../../gpu/conv1d_state.wgsl";
import conv1dStep from "../../../gpu/conv1d_step.wgsl";
import gatedDeltaText from "../../../gpu/gated_delta.wgsl";
import gatedDeltaGates from "../../../gpu/gated_delta_gates.wgsl";
import gatedDeltaNorm from "../../../gpu/gated_delta_norm.wgsl";
import gatedDeltaOut from "../../../gpu/gated_delta_out.wgsl";
import laneSum from "../../../gpu/lane_sum.wgsl";
import sequenceRun from "../../../gpu/sequence_run.wgsl";
import tokens from "../../../gpu/tokens.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Scalars } from "../../graph/tensor.ts";
import type { Dispatch, LoweringContext, LowerNode } from "./dispatch.ts";
import { dispatch, f32, fold, WG } from "./kernel.ts";
import { rowRounding } from "./rounding.ts";

/** Up to so many tokens a channel's invocation walks through them and writes the state itself; beyond, tokens run side by side. */
const STEP_TOKENS = 4;

export const lowerConv1d: LowerNode = (node, { dims, range }) => {
  const { T, C, S } = scalarsOf(node, dims);
  const { x, weight, state, rows } = node.inputs;
  const channels = Math.ceil(C! / WG);
  const io = [
    ["read_write", range(node.outputs.out!)],
    ["read", range(x!)],
    ["read", range(weight!)],
  ] as const;
  const constants = { WG, C: C! };
  if (T! <= STEP_TOKENS) {
    return [
      dispatch(
        "conv1d step",
        [tokens, conv1dStep],
        constants,
        [...io, ["read_write", range(state!)], ["read", range(rows!)]],
        [channels, 1, 1],
      ),
    ];
  }
  const update = [
    ["read_write", range(state!)],
    ["read", range(x!)],
    ["read", range(rows!)],
  ] as const;
  return [
    dispatch(
      "conv1d",
      [tokens, conv1dText],
      constants,
      [...io, ["read", range(state!)], ["read", range(rows!)]],
      fold(Math.ceil((T! * C!) / WG)),
    ),
    dispatch("conv1d state", [tokens, sequenceRun, conv1dState], constants, update, [channels, S!, 1]),
  ];
};

/** How the state of one head is laid over invocations. */
interface Layout {
  readonly WG: number;
  /** Quads of a row of S that an invocation holds, and the invocations of a row. */
  readonly PER: number;
  readonly LANES: number;
  /** Rows of S of a workgroup. */
  readonly ROWS: number;
  readonly SLICES: number;
  /** Tokens that are brought into fast memory at once. */
  readonly CHUNK: number;
}

/** Eight quads of state an invocation: 32 registers leave room for many workgroups a multiprocessor, and 4 lanes share a row of 128. */
const QUADS_HELD = 8;
const DELTA_WG = 128;
/** For a whole head at once, 128 x 128 over 256 invocations: 16 quads. */
const WHOLE_QUADS_HELD = 16;
/** Bytes of fast memory for a chunk's q and k; with the rest it stays inside the 16 KiB that every device has. */
const CHUNK_BYTES = 8192;
const WHOLE_CHUNK_BYTES = 4096;
/** sums[] of gated_delta.wgsl has 16 invocations a token, of DELTA_WG. */
const MAX_CHUNK = DELTA_WG / 16;

function layout({ Dk, Dv }: Scalars, whole: boolean): Layout {
  const quads = Dk! / 4;
  const held = whole ? WHOLE_QUADS_HELD : QUADS_HELD;
  const PER = Math.min(quads, held);
  const workgroup = whole ? WG : DELTA_WG;
  const LANES = quads / PER;
  const ROWS = Math.min(Dv!, Math.floor(workgroup / LANES));
  const CHUNK = Math.max(1, Math.min(MAX_CHUNK, Math.floor((whole ? WHOLE_CHUNK_BYTES : CHUNK_BYTES) / (8 * Dk!))));
  return { WG: workgroup, PER, LANES, ROWS, SLICES: Math.ceil(Dv! / ROWS), CHUNK };
}

/** What gated_delta.wgsl can take: rows in whole quads, evenly over invocations, within its fast memory. */
export function deltaSupported({ Dk, Dv }: Scalars): boolean {
  if (Dk! % 4 !== 0 || Dv! % 4 !== 0 || Dk! > 512) return false;
  const { PER, LANES } = layout({ Dk: Dk!, Dv: Dv! }, false);
  return PER * LANES * 4 === Dk!;
}

/** Whether the norm behind it can be in the same kernel: a workgroup must hold a whole head, and bind two buffers more than the default 8. */
export function deltaNormSupported(s: Scalars, limits: GPUSupportedLimits): boolean {
  const { PER, LANES, SLICES } = layout(s, true);
  return SLICES === 1 && PER * LANES * 4 === s.Dk! && limits.maxStorageBuffersPerShaderStage >= 10;
}

/** The sizes of heads, as constants of every delta kernel. */
export const headConstants = ({ Hk, Hv, Dk, Dv, tiled }: Scalars) => ({ Hk: Hk!, Hv: Hv!, Dk: Dk!, Dv: Dv!, TILED: tiled! });

/** Runs of no length are left to the chunked kernels. */
const NO_RUN = 2 ** 32 - 1;

/**
 * The gated delta rule token by token. `norm`: the gated_norm node that follows; its output is written instead. Runs of `chunkedRun` tokens
 * or more are left out.
 */
export function recurrentDispatches(node: Node, context: LoweringContext, norm?: Node, chunkedRun = NO_RUN): readonly Dispatch[] {
  const { dims, range } = context;
  const s = scalarsOf(node, dims);
  const { qkv, a, b, dt, A, state, rows } = node.inputs;
  const l = layout(s, norm !== undefined);
  const normEps: Record<string, string> = norm ? { NORM_EPS: f32(scalarsOf(norm, dims).eps!) } : {};
  const CHUNK = Math.min(l.CHUNK, s.T! === 1 ? 1 : l.CHUNK);
  const constants = { ...l, CHUNK, CHUNKED_RUN: chunkedRun, ...headConstants(s), EPS: f32(s.eps!), ...normEps };
  const reads = [qkv!, a!, b!, dt!, A!].map((tensor) => ["read", range(tensor)] as const);
  const bindings = [
    ["read_write", range((norm ?? node).outputs.out!)] as const,
    ...reads,
    ["read_write", range(state!)] as const,
    ["read", range(rows!)] as const,
    ...(norm ? [["read", range(norm.inputs.gate!)] as const, ["read", range(norm.inputs.weight!)] as const] : []),
  ];
  const groups = [s.Hv! * l.SLICES, s.S!, 1] as const;
  const common = [tokens, sequenceRun, gatedDeltaGates, laneSum];
  if (!norm) return [dispatch("gated_delta", [...common, gatedDeltaOut, gatedDeltaText], constants, bindings, groups)];
  const { files, ...rounded } = rowRounding(norm.outputs.out!, s.Dv!, bindings.length, context);
  const all = [...common, commonSum, ...files, gatedDeltaNorm, gatedDeltaText];
  return [dispatch("gated_delta + gated_norm", all, { ...constants, ...rounded.constants }, [...bindings, ...rounded.bindings], groups)];
}
