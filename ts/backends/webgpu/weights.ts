import repack from "../../../gpu/repack.wgsl";
import repackCodes from "../../../gpu/repack_codes.wgsl";
import repackFloats from "../../../gpu/repack_floats.wgsl";
import repackScales from "../../../gpu/repack_scales.wgsl";
import iq4Nl from "../../../gpu/weights/iq4_nl.wgsl";
import iq4Xs from "../../../gpu/weights/iq4_xs.wgsl";
import mxfp4 from "../../../gpu/weights/mxfp4.wgsl";
import q2K from "../../../gpu/weights/q2_k.wgsl";
import q3K from "../../../gpu/weights/q3_k.wgsl";
import q40 from "../../../gpu/weights/q4_0.wgsl";
import q41 from "../../../gpu/weights/q4_1.wgsl";
import q4K from "../../../gpu/weights/q4_k.wgsl";
import q50 from "../../../gpu/weights/q5_0.wgsl";
import q51 from "../../../gpu/weights/q5_1.wgsl";
import q5K from "../../../gpu/weights/q5_k.wgsl";
import q6K from "../../../gpu/weights/q6_k.wgsl";
import q80 from "../../../gpu/weights/q8_0.wgsl";
import type { Format } from "../../graph/formats.ts";
import type { Dispatch, GpuRange, KernelSpec } from "./dispatch.ts";
import { align, elementBytes, grid, type PlaneName, packingOf, planesOf, ROW_ALIGN, rowsOf, UNIT, unitsOf } from "./matmul-packing.ts";

export { packedBytes, packedIsRaw, ROW_ALIGN, rawBytes } from "./matmul-packing.ts";

/** How GGUF lays a format's blocks out. */
const readers: Readonly<Partial<Record<Format, string>>> = {
  Q8_0: q80,
  Q4_0: q40,
  Q4_1: q41,
  Q5_0: q50,
  Q5_1: q51,
  Q2_K: q2K,
  Q3_K: q3K,
  Q4_K: q4K,
  Q5_K: q5K,
  Q6_K: q6K,
  IQ4_NL: iq4Nl,
  IQ4_XS: iq4Xs,
  MXFP4: mxfp4,
};

const WORKGROUP = 64;

/** Rows of the tensor that the raw bytes are; first is a multiple of ROW_ALIGN. */
export interface RowChunk {
  readonly first: number;
  readonly count: number;
}

/**
 * Turns raw GGUF rows into the packed form, on the GPU. `packed` is the whole tensor's, of `rows` rows (experts: X · N); `raw` holds the
 * chunk's rows alone, so that the second copy needs little memory, and is of another buffer, with its size rounded up to 4.
 */
export function repackDispatches(
  format: Format,
  raw: GpuRange,
  packed: GpuRange,
  rows: number,
  K: number,
  chunk: RowChunk = { first: 0, count: rows },
): readonly Dispatch[] {
  if (chunk.first % ROW_ALIGN !== 0)
    throw new RangeError(`repack: a chunk must start at a multiple of ${ROW_ALIGN} rows, got ${chunk.first}`);
  const planes = planesOf(format, rows, K);
  return (["codes", "highs", "scales"] as const).flatMap((name) => {
    const span = planes[name];
    if (!span) return [];
    const out = rowsOf(packed, span, chunk.first, chunk.count);
    const bindings = [{ ...raw, bytes: align(raw.bytes, 4) }, out];
    return [{ kernel: repackKernel(format, name, K), bindings, workgroups: grid(out.bytes / 4 / WORKGROUP) }];
  });
}

function repackKernel(format: Format, plane: PlaneName, K: number): KernelSpec {
  const { lowBits, highBits, quantised } = packingOf(format);
  const kernel = { name: `repack_${plane} ${format}`, access: ["read", "read_write"] as const };
  if (!quantised) {
    const halves = elementBytes(format) / 2;
    return {
      ...kernel,
      files: [repack, repackFloats],
      constants: { WORKGROUP, ROW_HALVES: K * halves, PADDED_HALVES: unitsOf(K) * UNIT * halves },
    };
  }
  const reader = readers[format]!;
  if (plane === "scales") return { ...kernel, files: [repack, reader, repackScales], constants: { WORKGROUP } };
  const [BITS, SHIFT] = plane === "codes" ? [lowBits, 0] : [highBits, lowBits];
  return { ...kernel, files: [repack, reader, repackCodes], constants: { WORKGROUP, BITS, SHIFT } };
}
