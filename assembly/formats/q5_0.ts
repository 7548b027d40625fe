import { f16Likely } from "../simd";
import { highNibbles, lowNibbles } from "./block32";
import { fifthBitBytes, fifthBitMasks, fifthBits } from "./fifth_bit";

/** f16 d, 32 fifth bits, 16 bytes of nibbles: w = d · (code - 16) */
@unmanaged
export class Q5_0Block {
  @inline get bytes(): usize { return 22; }
  @inline get zero(): i16 { return 16; }
  @inline get signed(): bool { return false; }
  @inline get hasMin(): bool { return false; }
  @inline tableA(): v128 { return fifthBitBytes(); }
  @inline tableB(): v128 { return fifthBitMasks(); }
  @inline low(p: usize, four: v128, a: v128, b: v128): v128 { return v128.or(lowNibbles(v128.load(p, 6), four), fifthBits(p + 2, a, b)); }
  @inline high(p: usize, four: v128, a: v128, b: v128): v128 { return v128.or(highNibbles(v128.load(p, 6), four), fifthBits(p + 4, a, b)); }
  @inline scale(p: usize): f32 { return f16Likely(p); }
  @inline min(p: usize): f32 { return 0; }
}
