import { highNibbles, lowNibbles } from "./block32";

/**
 * A byte e, 16 bytes of nibbles: w = 2^(e - 128) · doubled E2M1. The doubled values, -12..12, are looked up 12 too large: codes from
 * 0 on are what relaxed dots take.
 */
@unmanaged
export class MXFP4Block {
  @inline get bytes(): usize { return 17; }
  @inline get zero(): i16 { return 12; }
  @inline get signed(): bool { return false; }
  @inline get hasMin(): bool { return false; }
  @inline tableA(): v128 { return i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0); }
  @inline tableB(): v128 { return i8x16.splat(0); }
  @inline low(p: usize, four: v128, a: v128, b: v128): v128 { return i8x16.swizzle(a, lowNibbles(v128.load(p, 1), four)); }
  @inline high(p: usize, four: v128, a: v128, b: v128): v128 { return i8x16.swizzle(a, highNibbles(v128.load(p, 1), four)); }
  @inline scale(p: usize): f32 {
    const e = <u32>load<u8>(p);
    return reinterpret<f32>(e < 2 ? 0x00200000 << e : (e - 1) << 23); // 2^-128 and 2^-127 are subnormal
  }
  @inline min(p: usize): f32 { return 0; }
}
