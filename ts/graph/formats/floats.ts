/** Conversions between f32 and the 16-bit floats, on bit patterns: round to nearest even, subnormals, infinities and NaN kept. */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

function bitsOf(value: number): number {
  f32[0] = value;
  return u32[0]!;
}

function fromBits(bits: number): number {
  u32[0] = bits;
  return f32[0]!;
}

/** f16 bits -> number, exact. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** number (first rounded to f32) -> f16 bits, round to nearest even. */
export function f32ToF16(value: number): number {
  const bits = bitsOf(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 255;
  const mantissa = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  if (exponent >= 143) return sign | 0x7c00; // 2^16 and above
  if (exponent >= 113) return sign + roundShift(((exponent - 112) << 23) | mantissa, 13); // a carry runs into the exponent, as it should
  if (exponent < 102) return sign; // below half of the smallest subnormal, 2^-25
  return sign + roundShift(0x800000 | mantissa, 126 - exponent); // subnormal: units of 2^-24
}

/** bf16 bits -> number, exact. */
export function bf16ToF32(bits: number): number {
  return fromBits(bits << 16);
}

/** number (first rounded to f32) -> bf16 bits, round to nearest even. */
export function f32ToBf16(value: number): number {
  const bits = bitsOf(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // a quiet NaN, whatever its low bits were
  return roundShift(bits, 16) & 0xffff;
}

/** bits / 2^shift, rounded to nearest, ties to even; 1 <= shift <= 24. */
function roundShift(bits: number, shift: number): number {
  const unsigned = bits >>> 0;
  const kept = Math.floor(unsigned / 2 ** shift);
  const rest = unsigned - kept * 2 ** shift;
  const half = 2 ** (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
