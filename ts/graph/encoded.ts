import { UnsupportedFormatError } from "../errors.ts";
import { type Format, formatByName, rowBytes } from "./formats.ts";

/** An array of some weight format, read and written row by row as f32: how the plain reference sees weights and caches. */
export class Encoded {
  readonly format: Format;
  readonly bytes: Uint8Array;
  constructor(format: Format, bytes: Uint8Array) {
    this.format = format;
    this.bytes = bytes;
  }

  /** Row `index` of a matrix whose rows have `length` elements. f32[length], a copy. */
  row(index: number, length: number): Float32Array {
    const size = rowBytes(this.format, length);
    const out = new Float32Array(length);
    formatByName(this.format).dequantize(this.bytes.subarray(index * size, (index + 1) * size), out);
    return out;
  }

  /** Overwrites row `index` with these values, rounded to the format. */
  setRow(index: number, values: Float32Array): void {
    const size = rowBytes(this.format, values.length);
    const { quantize } = formatByName(this.format);
    if (!quantize) throw new UnsupportedFormatError(`${this.format} cannot be written: a KV cache is F32, F16 or Q8_0`);
    this.bytes.set(quantize(values), index * size);
  }
}
