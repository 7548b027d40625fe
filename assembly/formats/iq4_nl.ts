import { f16Likely } from "../simd";
import { highNibbles, lowNibbles } from "./block32";
import { iq4Levels } from "./levels";

/** f16 d, 16 bytes of nibbles: w = d · level[code] */
@unmanaged
export class IQ4_NLBlock {
  @inline get bytes(): usize { return 18; }
  @inline get zero(): i16 { return 0; }
  @inline get signed(): bool { return true; }
  @inline get hasMin(): bool { return false; }
  @inline tableA(): v128 { return iq4Levels(); }
  @inline tableB(): v128 { return i8x16.splat(0); }
  @inline low(p: usize, four: v128, a: v128, b: v128): v128 { return i8x16.swizzle(a, lowNibbles(v128.load(p, 2), four)); }
  @inline high(p: usize, four: v128, a: v128, b: v128): v128 { return i8x16.swizzle(a, highNibbles(v128.load(p, 2), four)); }
  @inline scale(p: usize): f32 { return f16Likely(p); }
  @inline min(p: usize): f32 { return 0; }
}
