import getRowsText from "../../../gpu/get_rows.wgsl";
import getRowsF32 from "../../../gpu/get_rows_f32.wgsl";
import unit from "../../../gpu/weights/unit.wgsl";
import type { Format } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Dispatch, LowerNode } from "./dispatch.ts";
import { grid, largestRowBytes, packingOf, ROW_ALIGN, unitsOf, weightBindings } from "./matmul-packing.ts";

const WORKGROUP = 64;

/** out[r] = w[ids[r]]: w a packed weight, or f32 as it is where it is no weight. */
export const lowerGetRows: LowerNode = (node, context) => {
  const { N, D, R } = scalarsOf(node, context.dims) as { N: number; D: number; R: number };
  const { w, ids } = node.inputs as { w: Tensor; ids: Tensor };
  const out = context.range(node.outputs.out!);
  if (w.kind !== "weight") {
    const kernel = {
      name: "get_rows f32",
      files: [getRowsF32],
      constants: { WORKGROUP, D },
      access: ["read", "read", "read_write"] as const,
    };
    return [{ kernel, bindings: [context.range(w), context.range(ids), out], workgroups: grid((R * D) / WORKGROUP) }];
  }
  const format = w.type as Format;
  const { files, constants, quantised } = packingOf(format);
  const packed = context.range(w);
  const most = Math.floor(context.caps.limits.maxStorageBufferBindingSize / largestRowBytes(format, D) / ROW_ALIGN) * ROW_ALIGN;
  const count = Math.min(N, Math.max(ROW_ALIGN, most));
  return Array.from({ length: Math.ceil(N / count) }, (_, i): Dispatch => {
    const first = i * count;
    const rows = Math.min(count, N - first);
    const weights = weightBindings(format, packed, N, D, first, rows);
    const kernel = {
      name: `get_rows ${format}`,
      files: quantised ? [...files, unit, getRowsText] : [...files, getRowsText],
      constants: { WORKGROUP, N, D, UNITS: unitsOf(D), FIRST_ROW: first, ROWS: rows, ...constants },
      access: ["read", "read", "read", "read", "read", "read_write"] as const,
    };
    return { kernel, bindings: [...weights, context.range(ids), weights[0]!, out], workgroups: grid((R * Math.ceil(D / 4)) / WORKGROUP) };
  });
};
