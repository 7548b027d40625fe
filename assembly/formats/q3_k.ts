import { f16, opaque } from "../simd";
import { put16 } from "./strip";

// 32 bytes of third bits (bit r of byte l: element 32 r + l), 64 bytes of 2-bit codes as in Q2_K, 12 bytes of 6-bit scales (low four bits
// in nibbles of bytes 0..7, low ones first; top two bits in pairs of bytes 8..11), f16 d (at 108). 110 bytes.
// w = d · (scale[s] - 32) · (code - 4), sub-blocks s of 16.

/** Sixteen scales, int8. */
// @ts-ignore: decorator
@inline
function scales3(p: usize): v128 {
  const low = load<u64>(p), top = load<u32>(p, 8);
  const a = (low & 0x0f0f0f0f0f0f0f0f) | ((<u64>(top & 0x03030303) | (<u64>((top >> 2) & 0x03030303) << 32)) << 4);
  const b = ((low >> 4) & 0x0f0f0f0f0f0f0f0f) | ((<u64>((top >> 4) & 0x03030303) | (<u64>((top >> 6) & 0x03030303) << 32)) << 4);
  return i8x16.sub(i64x2.replace_lane(i64x2.splat(<i64>a), 1, <i64>b), i8x16.splat(32));
}

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ3_K(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const three = opaque(i8x16.splat(3), n), third = opaque(i8x16.splat(4), n);
  let scales = scales3(p + 96), bitsA = v128.load(p), bitsB = v128.load(p, 16);
  store<f32>(d, f16(p + 108));
  p += 32;
  for (const end = p + 64; p < end; p += 32) {
    let a = v128.load(p), b = v128.load(p, 16);
    for (let run = 0; run < 4; run++) {
      const codeA = v128.or(v128.and(a, three), v128.and(i16x8.shl(bitsA, 2), third));
      const codeB = v128.or(v128.and(b, three), v128.and(i16x8.shl(bitsB, 2), third));
      put16(q, i8x16.sub(codeA, third), i16x8.splat(<i16>i8x16.extract_lane_s(scales, 0)));
      put16(q + 32, i8x16.sub(codeB, third), i16x8.splat(<i16>i8x16.extract_lane_s(scales, 1)));
      scales = v128.shuffle<i16>(scales, scales, 1, 2, 3, 4, 5, 6, 7, 0);
      a = i16x8.shr_u(a, 2); b = i16x8.shr_u(b, 2); bitsA = i16x8.shr_u(bitsA, 1); bitsB = i16x8.shr_u(bitsB, 1);
      q += 64;
    }
  }
}
