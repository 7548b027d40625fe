import bf16 from "../../../gpu/weights/bf16.wgsl";
import codes from "../../../gpu/weights/codes.wgsl";
import codes2 from "../../../gpu/weights/codes_2.wgsl";
import codes3 from "../../../gpu/weights/codes_3.wgsl";
import codes4 from "../../../gpu/weights/codes_4.wgsl";
import codes5 from "../../../gpu/weights/codes_5.wgsl";
import codes6 from "../../../gpu/weights/codes_6.wgsl";
import codes8 from "../../../gpu/weights/codes_8.wgsl";
import codesLevels from "../../../gpu/weights/codes_levels.wgsl";
import f16 from "../../../gpu/weights/f16.wgsl";
import f32 from "../../../gpu/weights/f32.wgsl";
import scaleE8m0 from "../../../gpu/weights/scale_e8m0.wgsl";
import scaleF16 from "../../../gpu/weights/scale_f16.wgsl";
import scaleF16Offset from "../../../gpu/weights/scale_f16_offset.wgsl";
import scaleK from "../../../gpu/weights/scale_k.wgsl";
import scaleKHalves from "../../../gpu/weights/scale_k_halves.wgsl";
import scaleKHalvesOffset from "../../../gpu/weights/scale_k_halves_offset.wgsl";
import scaleKOffset from "../../../gpu/weights/scale_k_offset.wgsl";
import { IQ4_LEVELS } from "../../graph/formats/legacy.ts";
import { type Format, formatByName, rowBytes } from "../../graph/formats.ts";
import type { GpuRange } from "./dispatch.ts";

/**
 * How weights lie in GPU memory. GGUF keeps a block's scales beside its codes, 18 to 210 bytes at any alignment, which read at a third of
 * the bandwidth; here each tensor is up to three planes, row after row: codes (or their lower bits), upper bits, scales. The unit of all
 * quantised formats is 32 weights; gpu/weights/codes_….wgsl and scale_….wgsl describe and read the planes. No format grows by more
 * than 6 %, and every scale stays exact.
 */

/** Weights a unit. Rows of float formats are padded with zeros to whole units. */
export const UNIT = 32;

/** Ranges of rows that are bound apart start at a multiple of this: whatever a row's bytes, 256 rows end at a binding's alignment. */
export const ROW_ALIGN = 256;

/** A plane's bytes for so many units in a row. */
interface Plane {
  readonly bytes: number;
  readonly units: number;
}

/** The packed form of a format. */
export interface Packing {
  /** Codes and upper bits: bits a weight, and the bit of the code where they start. */
  readonly codes: Plane;
  readonly lowBits: number;
  readonly highBits: number;
  readonly scales: Plane | undefined;
  /** Kernel files that read it. For quantised formats they define weight_codes and weight_scale, for floats weight_octet and weight_unit. */
  readonly files: readonly string[];
  readonly constants: Readonly<Record<string, number>>;
  readonly quantised: boolean;
}

const plane = (bytes: number, units = 1): Plane => ({ bytes, units });

function float(file: string, bytes: number): Packing {
  return { codes: plane(bytes * UNIT), lowBits: 0, highBits: 0, scales: undefined, files: [file], constants: {}, quantised: false };
}

/** zero: the code that means 0. halves: two scales a unit. offset: the format has minima. */
function quantised(
  bits: readonly [low: number, high: number],
  files: readonly [codes: string, scale: string],
  scales: Plane,
  {
    zero = 0,
    halves = false,
    offset = false,
    levels,
  }: { zero?: number; halves?: boolean; offset?: boolean; levels?: readonly number[] } = {},
): Packing {
  const [lowBits, highBits] = bits;
  const constants = { ZERO: zero, HALVES: Number(halves), OFFSET: Number(offset), ...(levels ? levelWords(levels) : {}) };
  return { codes: plane(lowBits * 4), lowBits, highBits, scales, files: [codes, ...files], constants, quantised: true };
}

/** Sixteen int8 as four words. */
function levelWords(levels: readonly number[]): Record<string, number> {
  const words = new Uint32Array(Int8Array.from(levels).buffer);
  return Object.fromEntries([...words].map((word, i) => [`LEVELS_${i}`, word]));
}

/** MXFP4's levels, doubled: its scale is halved in return. */
const E2M1_DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

const packings: Readonly<Record<Format, Packing>> = {
  F32: float(f32, 4),
  F16: float(f16, 2),
  BF16: float(bf16, 2),
  Q8_0: quantised([8, 0], [codes8, scaleF16], plane(2)),
  Q4_0: quantised([4, 0], [codes4, scaleF16], plane(2), { zero: 8 }),
  Q4_1: quantised([4, 0], [codes4, scaleF16Offset], plane(4), { offset: true }),
  Q5_0: quantised([4, 1], [codes5, scaleF16], plane(2), { zero: 16 }),
  Q5_1: quantised([4, 1], [codes5, scaleF16Offset], plane(4), { offset: true }),
  Q2_K: quantised([2, 0], [codes2, scaleKHalvesOffset], plane(20, 8), { halves: true, offset: true }),
  Q3_K: quantised([2, 1], [codes3, scaleKHalves], plane(20, 8), { halves: true, zero: 4 }),
  Q4_K: quantised([4, 0], [codes4, scaleKOffset], plane(20, 8), { offset: true }),
  Q5_K: quantised([4, 1], [codes5, scaleKOffset], plane(20, 8), { offset: true }),
  Q6_K: quantised([4, 2], [codes6, scaleKHalves], plane(20, 8), { halves: true, zero: 32 }),
  IQ4_NL: quantised([4, 0], [codesLevels, scaleF16], plane(2), { levels: IQ4_LEVELS }),
  IQ4_XS: quantised([4, 0], [codesLevels, scaleK], plane(12, 8), { levels: IQ4_LEVELS }),
  MXFP4: quantised([4, 0], [codesLevels, scaleE8m0], plane(1), { levels: E2M1_DOUBLED }),
};

export function packingOf(format: Format): Packing {
  return packings[format];
}

/** Units of a row. */
export function unitsOf(K: number): number {
  return Math.ceil(K / UNIT);
}

/** Offset and size of each plane in the packed form of `rows` rows; `undefined` for planes that the format lacks. */
export interface PlaneSpan {
  readonly offset: number;
  readonly bytes: number;
  readonly rowBytes: number;
}

export type PlaneName = "codes" | "highs" | "scales";

export function planesOf(format: Format, rows: number, K: number): Readonly<Record<PlaneName, PlaneSpan | undefined>> {
  const { codes, highBits, scales } = packingOf(format);
  let offset = 0;
  const place = (size: Plane | undefined): PlaneSpan | undefined => {
    if (!size || size.bytes === 0) return undefined;
    const rowBytes = (unitsOf(K) / size.units) * size.bytes; // K-quants: a row is whole superblocks
    const span = { offset, bytes: align(rows * rowBytes, 4), rowBytes };
    offset += align(span.bytes, 256); // where a binding may start
    return span;
  };
  return { codes: place(codes), highs: place(plane(highBits * 4)), scales: place(scales) };
}

/** Bytes of `rows` rows of K weights, packed. Experts [X, N, K] are X · N rows. */
export function packedBytes(format: Format, rows: number, K: number): number {
  const last = Object.values(planesOf(format, rows, K)).reduce((end, span) => Math.max(end, span ? span.offset + span.bytes : 0), 0);
  return align(last, 256);
}

/** Whether the packed form is the GGUF's own bytes: then they may be uploaded in place and need no repacking. */
export function packedIsRaw(format: Format, K: number): boolean {
  return !packingOf(format).quantised && K % UNIT === 0;
}

/** Codes, upper bits and scales of rows [first, first + count): what a kernel binds at 0, 1 and 2. Planes that a format lacks repeat its codes. */
export function weightBindings(format: Format, packed: GpuRange, rows: number, K: number, first = 0, count = rows): readonly GpuRange[] {
  const { codes, highs, scales } = planesOf(format, rows, K);
  return [codes, highs, scales].map((span) => rowsOf(packed, span ?? codes!, first, count));
}

/** Bytes of rows [first, first + count) of a plane. */
export function rowsOf(packed: GpuRange, span: PlaneSpan, first: number, count: number): GpuRange {
  return { buffer: packed.buffer, offset: packed.offset + span.offset + first * span.rowBytes, bytes: align(count * span.rowBytes, 4) };
}

/** Largest plane row: how many rows one binding can hold hangs from it. */
export function largestRowBytes(format: Format, K: number): number {
  return Math.max(...Object.values(planesOf(format, 1, K)).map((span) => span?.rowBytes ?? 0));
}

/** Bytes of `rows` rows as in the file. */
export function rawBytes(format: Format, rows: number, K: number): number {
  return rows * rowBytes(format, K);
}

export function align(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to;
}

/** Bytes an element of a float format. */
export function elementBytes(format: Format): number {
  return formatByName(format).blockBytes;
}

/** At least so many workgroups, in x and y: a dimension holds 65535. Kernels count on in y after x. */
export function grid(groups: number): readonly [number, number, number] {
  const count = Math.max(1, Math.ceil(groups));
  const y = Math.ceil(count / 65535);
  return [Math.ceil(count / y), y, 1];
}
