import across from "../../../gpu/gated_delta_chunk_across.wgsl";
import within from "../../../gpu/gated_delta_chunk_within.wgsl";
import gates from "../../../gpu/gated_delta_gates.wgsl";
import sequenceRun from "../../../gpu/sequence_run.wgsl";
import tokens from "../../../gpu/tokens.wgsl";
import { scalarsOf } from "../../graph/op.ts";
import type { Node, Scalars } from "../../graph/tensor.ts";
import type { Dispatch, LoweringContext } from "./dispatch.ts";
import { dispatch, f32, WG } from "./kernel.ts";
import { headConstants, recurrentDispatches } from "./lower-delta.ts";

/**
 * Tokens of a chunk, the side of its matrices N and M: four rows of 16 quads an invocation of 256. A chunk costs the same however full it
 * is: 5.6 million multiplications a head of 128 x 128, where 64 tokens one by one take 3.1 million, but with 64 dependent steps and
 * barriers for seven.
 */
const CHUNK = 64;

/** Bytes of fast memory for the state of a workgroup of the second kernel: 32 rows of 128, and 16 KiB with the first kernel's matrix. */
const STATE_BYTES = 16384;
/** What both kernels keep there besides. */
const OTHER_BYTES = 2048;

const chunksOf = (T: number) => Math.ceil(T / CHUNK);
/** N and M of every chunk and value head. */
const pairBytes = ({ T, Hv }: Scalars) => 4 * 2 * CHUNK * CHUNK * Hv! * chunksOf(T!);
/** Rows of a head's state that a workgroup of the second kernel holds. */
const rowsHeld = ({ Dk }: Scalars) => STATE_BYTES / (4 * Dk!);
/** Tokens of an invocation of the second kernel: 32 sums of k and q each, which registers hold. */
const HELD = 4;

/** Keys in whole bands of 64, values in whole slices, and what a device must offer beside the default. */
export function chunkedSupported(s: Scalars, limits: GPUSupportedLimits): boolean {
  if (![64, 128, 256].includes(s.Dk!) || s.Dv! % rowsHeld(s) !== 0) return false;
  if (limits.maxComputeWorkgroupStorageSize < STATE_BYTES + OTHER_BYTES || limits.maxComputeInvocationsPerWorkgroup < WG) return false;
  return pairBytes(s) <= limits.maxStorageBufferBindingSize;
}

/**
 * The gated delta rule in chunks, for runs of `chunkedRun` tokens or more; where a ubatch may also hold shorter ones, those token by token.
 */
export function chunkedDispatches(node: Node, context: LoweringContext, chunkedRun: number): readonly Dispatch[] {
  const { dims, range, scratch } = context;
  const s = scalarsOf(node, dims);
  const { qkv, a, b, dt, A, state, rows } = node.inputs;
  const pairs = scratch("gated_delta pairs", pairBytes(s)); // [Hv, chunks, 2, CHUNK, CHUNK]
  const factors = scratch("gated_delta factors", 16 * s.T! * s.Hv!); // [T, Hv, 4]
  const sizes = { ...headConstants(s), CHUNK };
  const inputs = [qkv!, a!, b!, dt!, A!, rows!].map((tensor) => ["read", range(tensor)] as const);
  const first = dispatch(
    "gated_delta chunk within",
    [tokens, gates, within],
    { WG, ...sizes, EPS: f32(s.eps!) },
    [["read_write", pairs], ["read_write", factors], ...inputs],
    [s.Hk!, chunksOf(s.T!), 1],
  );
  const ROWS = rowsHeld(s);
  const SLICES = s.Dv! / ROWS;
  const workgroup = (CHUNK / HELD) * (ROWS / 4);
  const second = dispatch(
    "gated_delta chunk across",
    [tokens, sequenceRun, across],
    { WG: workgroup, ...sizes, ROWS, SLICES, CHUNKED_RUN: chunkedRun },
    [
      ["read_write", range(node.outputs.out!)],
      ["read_write", range(state!)],
      ["read", pairs],
      ["read", factors],
      ["read", range(qkv!)],
      ["read", range(rows!)],
    ],
    [s.Hv! * SLICES, s.S!, 1],
  );
  return [...(s.S! > 1 ? recurrentDispatches(node, context, undefined, chunkedRun) : []), first, second];
}
