import halvesQ8 from "../../../gpu/halves_q8.wgsl";
import expertsPlan from "../../../gpu/matmul_experts_plan.wgsl";
import quantizeF16 from "../../../gpu/quantize_f16.wgsl";
import quantizeQ8 from "../../../gpu/quantize_q8.wgsl";
import quantizeQuad from "../../../gpu/quantize_quad.wgsl";
import quantizeUnit from "../../../gpu/quantize_unit.wgsl";
import type { Tensor } from "../../graph/tensor.ts";
import type { Dispatch, GpuRange, LoweringContext, Rounded } from "./dispatch.ts";
import { dispatch, fold } from "./kernel.ts";
import { align, grid, UNIT, unitsOf } from "./matmul-packing.ts";

/** What several matmuls of a program share: activations in int8, tokens sorted by expert. Made by the first that needs them. */

/** Memory that a matmul reads besides its node's tensors, and the dispatches that fill it (none where an earlier node has). */
export interface Shared<Ranges> {
  readonly ranges: Ranges;
  readonly dispatches: readonly Dispatch[];
}

/** What each scratch holds, at this point of the program that a context lowers node by node, in the order in which they run. */
const held = new WeakMap<LoweringContext, Map<string, Tensor>>();

/** True the first time, and whenever something else has taken the memory since. */
function take(context: LoweringContext, name: string, content: Tensor): boolean {
  const contents = held.get(context) ?? new Map<string, Tensor>();
  held.set(context, contents);
  if (contents.get(name) === content) return false;
  contents.set(name, content);
  return true;
}

const ROUND_WG = 64;
const HALF_WG = 128;

/** What quantize_unit.wgsl wants to know: the first of its two bindings, and the units that share a scale. */
export const unitConstants = (binding: number, { block }: Rounded): Record<string, number> => ({
  Q8_CODES: binding,
  Q8_META: binding + 1,
  BLOCK_UNITS: block / UNIT,
});

/** Rows of x in int8 with a scale a unit, as the CPU rounds them: in 256-blocks all units of a block have the same; see quantize_unit.wgsl. */
export function quantisedActivations(
  x: Tensor,
  rows: number,
  form: Rounded,
  context: LoweringContext,
): Shared<readonly [codes: GpuRange, meta: GpuRange]> {
  const units = rows * unitsOf(form.K);
  const codesBytes = align(units * 32, 256);
  // By K: a layer's x, the inside of its ffn and its experts' differ in K mostly, so none drives out another. By block: an x may be read in both.
  const name = `matmul q8 ${form.K} by ${form.block}`;
  const memory = context.scratch(name, codesBytes + units * 8);
  const codes = { buffer: memory.buffer, offset: memory.offset, bytes: units * 32 };
  const meta = { buffer: memory.buffer, offset: memory.offset + codesBytes, bytes: units * 8 };
  const ranges = [codes, meta] as const;
  if (!take(context, name, x.storage)) return { ranges, dispatches: [] };
  const bindings = [["read", context.range(x)] as const, ["read_write", codes] as const, ["read_write", meta] as const];
  const constants = { WG: ROUND_WG, ...unitConstants(1, form) };
  return {
    ranges,
    dispatches: [dispatch("quantize_q8", [quantizeQuad, quantizeUnit, quantizeQ8], constants, bindings, fold(units / ROUND_WG))],
  };
}

/** Rows of x in f16 with a scale each: of x itself for float weights (block 1), else of its int8 form, so that all kernels see the same x. */
export function halfActivations(
  x: Tensor,
  rows: number,
  form: Rounded,
  context: LoweringContext,
): Shared<readonly [halves: GpuRange, scales: GpuRange]> {
  const { K, block } = form;
  const UNITS = unitsOf(K);
  const halvesBytes = align(rows * UNITS * 64, 256);
  const name = `matmul f16 ${K} by ${block}`;
  const memory = context.scratch(name, halvesBytes + rows * 4);
  const halves = { buffer: memory.buffer, offset: memory.offset, bytes: rows * UNITS * 64 };
  const scales = { buffer: memory.buffer, offset: memory.offset + halvesBytes, bytes: rows * 4 };
  const ranges = [halves, scales] as const;
  if (!take(context, name, x.storage)) return { ranges, dispatches: [] };
  const made = ranges.map((range) => ["read_write", range] as const);
  if (block > 1) {
    const q8 = quantisedActivations(x, rows, form, context);
    const bindings = [...q8.ranges.map((range) => ["read", range] as const), ...made];
    return { ranges, dispatches: [...q8.dispatches, dispatch("halves_q8", [halvesQ8], { WG: HALF_WG, UNITS }, bindings, fold(rows))] };
  }
  const constants = { WORKGROUP: HALF_WG, K, UNITS };
  const kernel = { name: "quantize_f16", files: [quantizeF16], constants, access: ["read", "read_write", "read_write"] as const };
  return { ranges, dispatches: [{ kernel, bindings: [context.range(x), ...ranges], workgroups: grid(rows) }] };
}

/** Slots (t, u) sorted by expert and cut into tiles of BM; see matmul_experts_plan.wgsl. */
export function expertTiles(
  ids: Tensor,
  slots: number,
  X: number,
  BM: number,
  context: LoweringContext,
): Shared<GpuRange> & { maxTiles: number } {
  // Each expert in use has at most one tile that is not full.
  const maxTiles = Math.floor(slots / BM) + Math.min(slots, X);
  const name = `matmul_experts plan ${BM}`;
  const bytes = 4 * (2 + slots + 3 * maxTiles);
  const memory = context.scratch(name, bytes);
  const ranges = { buffer: memory.buffer, offset: memory.offset, bytes };
  if (!take(context, name, ids.storage)) return { ranges, maxTiles, dispatches: [] };
  const constants = { WORKGROUP: 256, X, BM };
  const kernel = { name: "matmul_experts_plan", files: [expertsPlan], constants, access: ["read", "read_write"] as const };
  return { ranges, maxTiles, dispatches: [{ kernel, bindings: [context.range(ids), ranges], workgroups: [1, 1, 1] }] };
}
