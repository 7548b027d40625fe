import { f16, opaque } from "../simd";
import { put16 } from "./strip";

// 16 bytes (low nibble: scale, high: min) of sub-blocks of 16, 64 bytes of 2-bit codes (each half of 128 has 32 bytes, whose bit pairs are
// its four runs of 32), f16 d (at 80), f16 dmin. 84 bytes. w = d · scale[s] · code - dmin · min[s].

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ2_K(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const three = opaque(i8x16.splat(3), n), four = opaque(i8x16.splat(15), n), both = v128.load(p);
  const mins = v128.and(i16x8.shr_u(both, 4), four);
  v128.store(m, i16x8.extend_low_i8x16_u(mins));
  v128.store(m, i16x8.extend_high_i8x16_u(mins), 16);
  store<f32>(d, f16(p + 80));
  store<f32>(dm, f16(p + 82));
  let scale = p;
  p += 16;
  for (const end = p + 64; p < end; p += 32) {
    let a = v128.load(p), b = v128.load(p, 16);
    for (let run = 0; run < 4; run++) {
      put16(q, v128.and(a, three), i16x8.splat(<i16>load<u8>(scale) & 15));
      put16(q + 32, v128.and(b, three), i16x8.splat(<i16>load<u8>(scale, 1) & 15));
      a = i16x8.shr_u(a, 2);
      b = i16x8.shr_u(b, 2);
      q += 64; scale += 2;
    }
  }
}
