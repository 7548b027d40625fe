import { Random } from "../engine/samplers/random.ts";
import { UnsupportedFormatError } from "../errors.ts";
import { type Format, f16ToF32, f32ToF16, formatByName } from "../graph/formats.ts";

/** How random bits become a block of mean 0 in one format; everything not named here may have any bits. */
interface Recipe {
  /** Offset of the block's f16 scale. */
  readonly scale: number;
  /** Offset of the f16 minimum, and what it is in units of the scale: the mean of the codes. */
  readonly minimum?: readonly [offset: number, ratio: number];
  /** Corrects bits that real files do not have. */
  readonly correct?: (bytes: Uint8Array, at: number) => void;
}

const RECIPES: Partial<Record<Format, Recipe>> = {
  Q8_0: { scale: 0, correct: noLowest },
  Q4_0: { scale: 0 },
  Q4_1: { scale: 0, minimum: [2, -7.5] },
  Q5_0: { scale: 0 },
  Q5_1: { scale: 0, minimum: [2, -15.5] },
  Q2_K: { scale: 80, minimum: [82, 1.5], correct: (bytes, at) => twinNibbles(bytes, at, 16) },
  Q3_K: { scale: 108 },
  Q4_K: { scale: 0, minimum: [2, 7.5], correct: twinSixBits },
  Q5_K: { scale: 0, minimum: [2, 15.5], correct: twinSixBits },
  Q6_K: { scale: 208 },
  IQ4_NL: { scale: 0 },
  IQ4_XS: { scale: 0 },
};

/** Codes of -128 exist in no quantised file, and kernels may rely on that. */
function noLowest(bytes: Uint8Array, at: number): void {
  for (let i = at + 2; i < at + 34; i++) if (bytes[i] === 0x80) bytes[i] = 0x81;
}

/** Each sub-block's minimum as large as its scale, so that the sub-block has mean 0. */
function twinNibbles(bytes: Uint8Array, at: number, count: number): void {
  for (let i = at; i < at + count; i++) bytes[i] = (bytes[i]! & 15) * 17;
}

/** The same for scales and minimums of six bits in 12 bytes: the last four bytes hold low nibbles of both, the first eight the rest. */
function twinSixBits(bytes: Uint8Array, at: number): void {
  bytes.copyWithin(at + 8, at + 4, at + 8);
  twinNibbles(bytes, at + 12, 4);
}

/**
 * Random blocks of a format, whole ones in about `bytes` bytes, whose weights have mean 0 and this standard deviation. Scales vary between
 * blocks by half. Throws UnsupportedFormatError for a format that nobody has said how to fill.
 */
export function randomBlocks(format: Format, std: number, bytes: number, random: Random): Uint8Array {
  const { blockSize, blockBytes, quantize } = formatByName(format);
  const count = Math.max(1, Math.ceil(bytes / blockBytes));
  if (blockSize === 1) return quantize!(normals(count, std, random));
  if (format === "MXFP4") return powerOfTwoBlocks(count, std, random);
  const recipe = RECIPES[format];
  if (!recipe)
    throw new UnsupportedFormatError(`${format}: the generator cannot write this format yet: use ${Object.keys(RECIPES).join(", ")}`);
  return fill(format, recipe, std / unitDeviation(format, recipe), count, random);
}

function fill(format: Format, { scale, minimum, correct }: Recipe, unit: number, count: number, random: Random): Uint8Array {
  const { blockBytes } = formatByName(format);
  const out = randomBytes(count * blockBytes, random);
  const view = new DataView(out.buffer);
  for (let at = 0; at < out.length; at += blockBytes) {
    const bits = random.next32();
    const size = unit * (0.5 + (bits >>> 8) / 2 ** 24);
    // Formats of odd range (Q4_0 has -8 but not 8) have mean 0 over scales of both signs, as their quantisers make them.
    const signed = minimum || (bits & 1) === 0 ? size : -size;
    const stored = f32ToF16(signed);
    view.setUint16(at + scale, stored, true);
    if (minimum) view.setUint16(at + minimum[0], f32ToF16(f16ToF32(stored) * minimum[1]), true);
    correct?.(out, at);
  }
  return out;
}

/** Standard deviation of blocks whose scale is about 1, from a sample: each format's codes are spread in its own way. */
function unitDeviation(format: Format, recipe: Recipe): number {
  const { blockSize, dequantize } = formatByName(format);
  const values = new Float32Array(SAMPLE_BLOCKS * blockSize);
  dequantize(fill(format, recipe, 1, SAMPLE_BLOCKS, new Random(1)), values);
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** Enough that the deviation is right to about 2 %. */
const SAMPLE_BLOCKS = 512;

/** MXFP4 has no scale but an exponent a block: two neighbouring ones, mixed so that the variance comes out right. */
function powerOfTwoBlocks(count: number, std: number, random: Random): Uint8Array {
  const { blockBytes } = formatByName("MXFP4");
  const out = randomBytes(count * blockBytes, random);
  const exact = Math.log2(std / E2M1_DEVIATION);
  const low = Math.floor(exact);
  const chanceOfHigh = (4 ** (exact - low) - 1) / 3;
  for (let at = 0; at < out.length; at += blockBytes) out[at] = 128 + low + (random.next() < chanceOfHigh ? 1 : 0);
  return out;
}

/** Of the sixteen doubled levels 0, 1, 2, 3, 4, 6, 8, 12 and their negatives. */
const E2M1_DEVIATION = Math.sqrt((1 + 4 + 9 + 16 + 36 + 64 + 144) / 8);

function randomBytes(bytes: number, random: Random): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.next32();
  return new Uint8Array(words.buffer, 0, bytes);
}

/** Roughly normal numbers: sums of four uniform ones. f32[count] */
export function normals(count: number, std: number, random: Random): Float32Array {
  const out = new Float32Array(count);
  const scale = std / Math.sqrt((4 * (2 ** 32 - 1)) / 12); // four of 16 bits
  for (let i = 0; i < count; i++) {
    const a = random.next32();
    const b = random.next32();
    out[i] = ((a & 65535) + (a >>> 16) + (b & 65535) + (b >>> 16) - 2 * 65535) * scale;
  }
  return out;
}
