import quantizeUnit from "../../../gpu/quantize_unit.wgsl";
import rowDonePlain from "../../../gpu/row_done.wgsl";
import rowDoneQ8 from "../../../gpu/row_done_q8.wgsl";
import type { Format } from "../../graph/formats.ts";
import { type Dims, elements, type Node, type Tensor } from "../../graph/tensor.ts";
import type { GpuRange, LoweringContext } from "./dispatch.ts";
import { quantisedActivations } from "./matmul-activations.ts";
import { packingOf, UNIT } from "./matmul-packing.ts";
import { useVec } from "./matmul-shapes.ts";

/**
 * Matmuls with quantised weights read activations in int8. For few tokens the kernel that makes them rounds them on the way, and a
 * dispatch is saved; for many, rounding is a pass of its own, as it is for whatever comes from other kernels.
 */

/** Rows' length of each value as the quantised matmul sees it that reads it; values that none reads are missing. */
export function roundedValues(nodes: readonly Node[]): ReadonlyMap<Tensor, number> {
  const lengths = new Map<Tensor, number>();
  for (const { inputs } of nodes) {
    const { x, w } = inputs;
    if (x && w?.kind === "weight" && packingOf(w.type as Format).quantised) lengths.set(x.storage, w.shape.at(-1) as number);
  }
  return lengths;
}

/** Where the maker of a value should put its int8 form: codes, then scales and sums. Undefined: nowhere. */
function roundedRanges(tensor: Tensor, context: LoweringContext): readonly [GpuRange, GpuRange] | undefined {
  const K = context.rounded?.get(tensor.storage);
  if (K === undefined || !useVec(context.dims.T)) return undefined;
  const { ranges, dispatches } = quantisedActivations(tensor, rowsOf(tensor, K, context.dims), K, context);
  return dispatches.length > 0 ? ranges : undefined; // its dispatch is dropped: the caller does that work
}

const rowsOf = (tensor: Tensor, K: number, dims: Dims): number => elements(tensor.shape, dims) / K;

/** What a kernel needs besides to round its output; `files` end with the kernel's own for either case. */
export interface Rounding {
  readonly files: readonly string[];
  readonly constants: Readonly<Record<string, number>>;
  readonly bindings: readonly (readonly ["read_write", GpuRange])[];
}

/** For an output of rows of `length`, with `used` bindings taken. Undefined where nobody wants it or the device has no bindings left. */
export function rounding(out: Tensor, length: number, used: number, context: LoweringContext): Rounding | undefined {
  if (length % UNIT !== 0 || used + 2 > context.caps.limits.maxStorageBuffersPerShaderStage) return undefined;
  const ranges = roundedRanges(out, context);
  if (!ranges) return undefined;
  const constants = { Q8_CODES: used, Q8_META: used + 1 };
  return { files: [quantizeUnit], constants, bindings: ranges.map((range) => ["read_write", range] as const) };
}

/** The same for kernels whose workgroups write whole rows: they call row_done behind each. */
export function rowRounding(out: Tensor, length: number, used: number, context: LoweringContext): Rounding {
  const found = rounding(out, length, used, context);
  return found ? { ...found, files: [...found.files, rowDoneQ8] } : { files: [rowDonePlain], constants: {}, bindings: [] };
}
