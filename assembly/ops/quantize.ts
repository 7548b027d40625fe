import { Q8_32, activationRowBytes, qOffset, sum16Offset, sum32Offset, wideOffset } from "../matmul/activation";
import { largestMagnitude } from "../search";
import { ROUND, opaque } from "../simd";

/**
 * x f32[T, K] -> int8 activations [T, K], as matmul/activation.ts lays them out. kind: 1 = blocks of 32, 2 = blocks of 256.
 * K is a multiple of the block. Unit: one row.
 */
export function quantize(out: usize, x: usize, T: u32, K: u32, kind: u32, begin: u32, end: u32): void {
  const B: u32 = kind == Q8_32 ? 32 : 256;
  const rowBytes = activationRowBytes(K, B);
  for (let t = begin; t < end; t++) quantizeRow(out + <usize>t * rowBytes, x + ((<usize>t * <usize>K) << 2), K, B);
}

function quantizeRow(row: usize, x: usize, K: u32, B: u32): void {
  let scale = row, sum16 = row + sum16Offset(K, B), sum32 = row + sum32Offset(K, B), q = row + qOffset(K, B), wide = row + wideOffset(K, B);
  const blockBytes = <usize>B << 2, round = opaque(f32x4.splat(ROUND), K);
  for (const end = x + (<usize>K << 2); x < end; ) {
    const largest = largestMagnitude(x, B);
    // Below 1e-30 the inverse could overflow; such a block is zero to every format. NaN stays NaN through the scale.
    const inverse = f32x4.splat(largest > 1e-30 ? 127 / largest : 0);
    store<f32>(scale, largest / 127);
    scale += 4;
    for (const blockEnd = x + blockBytes; x < blockEnd; x += 128) {
      const a = quantize16(x, inverse, round), b = quantize16(x + 64, inverse, round);
      v128.store(q, a);
      v128.store(q, b, 16);
      widen16(wide, a, B);
      widen16(wide + 32, b, B);
      const s = sums(a, b);
      v128.store_lane<i16>(sum16, s, 0);
      v128.store_lane<i16>(sum16, s, 2, 2);
      store<i16>(sum32, <i16>(i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)));
      sum16 += 4; sum32 += 2; q += 32; wide += 64;
    }
  }
}

// @ts-ignore: decorator
@inline
function rounded(x: usize, inverse: v128, round: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), round), round);
}

/** Sixteen f32 -> sixteen int8. */
// @ts-ignore: decorator
@inline
function quantize16(x: usize, inverse: v128, round: v128): v128 {
  const low = i16x8.narrow_i32x4_s(rounded(x, inverse, round), rounded(x + 16, inverse, round));
  return i8x16.narrow_i16x8_s(low, i16x8.narrow_i32x4_s(rounded(x + 32, inverse, round), rounded(x + 48, inverse, round)));
}

/** Sums of sixteen int8 each, in the first two lanes. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128): v128 {
  const x = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(a)), y = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(b));
  const s = i32x4.add(v128.shuffle<i32>(x, y, 0, 4, 1, 5), v128.shuffle<i32>(x, y, 2, 6, 3, 7));
  return i32x4.add(s, v128.shuffle<i32>(s, s, 2, 3, 0, 1));
}

/** Sixteen int8 -> i16, in order (B = 32) or evens then odds (B = 256). */
// @ts-ignore: decorator
@inline
function widen16(wide: usize, v: v128, B: u32): void {
  if (B == 32) {
    v128.store(wide, i16x8.extend_low_i8x16_s(v));
    v128.store(wide, i16x8.extend_high_i8x16_s(v), 16);
  } else {
    v128.store(wide, i16x8.shr_s(i16x8.shl(v, 8), 8));
    v128.store(wide, i16x8.shr_s(v, 8), 16);
  }
}
