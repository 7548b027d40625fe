import { f16Likely } from "../simd";
import { highNibbles, lowNibbles } from "./block32";
import { fifthBitBytes, fifthBitMasks, fifthBits } from "./fifth_bit";

/** f16 d, f16 m, 32 fifth bits, 16 bytes of nibbles: w = d · code + m */
@unmanaged
export class Q5_1Block {
  @inline get bytes(): usize { return 24; }
  @inline get zero(): i16 { return 0; }
  @inline get signed(): bool { return false; }
  @inline get hasMin(): bool { return true; }
  @inline tableA(): v128 { return fifthBitBytes(); }
  @inline tableB(): v128 { return fifthBitMasks(); }
  @inline low(p: usize, four: v128, a: v128, b: v128): v128 { return v128.or(lowNibbles(v128.load(p, 8), four), fifthBits(p + 4, a, b)); }
  @inline high(p: usize, four: v128, a: v128, b: v128): v128 { return v128.or(highNibbles(v128.load(p, 8), four), fifthBits(p + 6, a, b)); }
  @inline scale(p: usize): f32 { return f16Likely(p); }
  @inline min(p: usize): f32 { return f16Likely(p + 2); }
}
