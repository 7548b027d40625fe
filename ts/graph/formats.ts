/** The table of weight formats: one row each. The kernels of a format are in assembly/formats (CPU) and gpu/weights (GPU). */

import { InvalidArgumentError } from "../errors.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./formats/floats.ts";
import { IQ4_XS, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K } from "./formats/kquants.ts";
import { IQ4_NL, MXFP4, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 } from "./formats/legacy.ts";
import { type Row, u16 } from "./formats/row.ts";

export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 };

const F32: Row = {
  ggmlType: 0,
  blockSize: 1,
  blockBytes: 4,
  dequantize(bytes, out) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  },
  quantize: (values) => new Uint8Array(values.slice().buffer),
};

const F16: Row = {
  ggmlType: 1,
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, out) {
    for (let i = 0; i < out.length; i++) out[i] = f16ToF32(u16(bytes, 2 * i));
  },
  quantize: (values) => new Uint8Array(Uint16Array.from(values, f32ToF16).buffer),
};

const BF16: Row = {
  ggmlType: 30,
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, out) {
    for (let i = 0; i < out.length; i++) out[i] = bf16ToF32(u16(bytes, 2 * i));
  },
  quantize: (values) => new Uint8Array(Uint16Array.from(values, f32ToBf16).buffer),
};

const rows = { F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4 };

/** A weight format's name, as the field writes it. */
export type Format = keyof typeof rows;

export interface FormatRow extends Row {
  readonly name: Format;
}

export const formats: readonly FormatRow[] = (Object.keys(rows) as Format[]).map((name) => ({ name, ...rows[name] }));

const byName = new Map(formats.map((format) => [format.name, format]));
const byType = new Map(formats.map((format) => [format.ggmlType, format]));

/** The format with this type id in GGUF files, or undefined: the caller knows the tensor and words the error. */
export function formatOf(ggmlType: number): FormatRow | undefined {
  return byType.get(ggmlType);
}

export function formatByName(name: Format): FormatRow {
  return byName.get(name)!;
}

/** Bytes of one row of `length` elements. */
export function rowBytes(name: Format, length: number): number {
  const { blockSize, blockBytes } = formatByName(name);
  if (length % blockSize !== 0)
    throw new InvalidArgumentError(`${name}: a row must be whole blocks of ${blockSize} elements, got ${length}`);
  return (length / blockSize) * blockBytes;
}
