import quantizeQuad from "../../../gpu/quantize_quad.wgsl";
import quantizeUnit from "../../../gpu/quantize_unit.wgsl";
import rowDonePlain from "../../../gpu/row_done.wgsl";
import rowDoneQ8 from "../../../gpu/row_done_q8.wgsl";
import { type Format, formatByName } from "../../graph/formats.ts";
import { type Dims, elements, type Node, type Tensor } from "../../graph/tensor.ts";
import type { GpuRange, LoweringContext, Rounded } from "./dispatch.ts";
import { quantisedActivations, unitConstants } from "./matmul-activations.ts";
import { packingOf, UNIT } from "./matmul-packing.ts";
import { useVec } from "./matmul-shapes.ts";

/**
 * Matmuls with quantised weights read activations in int8. For few tokens the kernel that makes them rounds them on the way, and a
 * dispatch is saved; for many, rounding is a pass of its own, as it is for whatever comes from other kernels.
 */

/**
 * The int8 form of each value as the quantised matmul sees it that reads it first; values that none reads are missing. A reader that wants
 * another form makes its own.
 */
export function roundedValues(nodes: readonly Node[]): ReadonlyMap<Tensor, Rounded> {
  const forms = new Map<Tensor, Rounded>();
  for (const { inputs } of nodes) {
    const { x, w } = inputs;
    if (!x || w?.kind !== "weight" || !packingOf(w.type as Format).quantised || forms.has(x.storage)) continue;
    forms.set(x.storage, { K: w.shape.at(-1) as number, block: formatByName(w.type as Format).blockSize });
  }
  return forms;
}

const rowsOf = (tensor: Tensor, K: number, dims: Dims): number => elements(tensor.shape, dims) / K;

/** What a kernel needs besides to round its output; `files` end with the kernel's own for either case. */
export interface Rounding {
  readonly files: readonly string[];
  readonly constants: Readonly<Record<string, number>>;
  readonly bindings: readonly (readonly ["read_write", GpuRange])[];
}

/**
 * For an output that a workgroup or invocations in a row write in pieces of `length`, with `used` bindings taken. Undefined where nobody
 * wants it, a piece is not whole blocks (heads of 128 for K-quants), or the device has no bindings left.
 */
export function rounding(out: Tensor, length: number, used: number, context: LoweringContext): Rounding | undefined {
  const form = context.rounded?.get(out.storage);
  if (!form || !useVec(context.dims.T) || length % form.block !== 0) return undefined;
  if (used + 2 > context.caps.limits.maxStorageBuffersPerShaderStage) return undefined;
  const { ranges, dispatches } = quantisedActivations(out, rowsOf(out, form.K, context.dims), form, context);
  if (dispatches.length === 0) return undefined; // else its dispatch is dropped: the caller does that work
  return {
    files: [quantizeQuad, quantizeUnit],
    constants: unitConstants(used, form),
    bindings: ranges.map((range) => ["read_write", range] as const),
  };
}

/** The same for kernels whose workgroups write whole rows: they call row_done behind each. */
export function rowRounding(out: Tensor, length: number, used: number, context: LoweringContext): Rounding {
  const found = rounding(out, length, used, context);
  if (!found) return { files: [rowDonePlain], constants: {}, bindings: [] };
  return { ...found, files: [...found.files, rowDoneQ8], constants: { ...found.constants, ROW_UNITS: length / UNIT } };
}
