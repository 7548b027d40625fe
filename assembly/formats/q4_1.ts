import { f16Likely } from "../simd";
import { highNibbles, lowNibbles } from "./block32";

/** f16 d, f16 m, 16 bytes of nibbles: w = d · code + m */
@unmanaged
export class Q4_1Block {
  @inline get bytes(): usize { return 20; }
  @inline get zero(): i16 { return 0; }
  @inline get signed(): bool { return false; }
  @inline get hasMin(): bool { return true; }
  @inline tableA(): v128 { return i8x16.splat(0); }
  @inline tableB(): v128 { return i8x16.splat(0); }
  @inline low(p: usize, four: v128, a: v128, b: v128): v128 { return lowNibbles(v128.load(p, 4), four); }
  @inline high(p: usize, four: v128, a: v128, b: v128): v128 { return highNibbles(v128.load(p, 4), four); }
  @inline scale(p: usize): f32 { return f16Likely(p); }
  @inline min(p: usize): f32 { return f16Likely(p + 2); }
}
