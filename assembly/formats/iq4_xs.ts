import { qOffset } from "../matmul/activation";
import { streamsApart } from "../matmul/streams";
import { f16, fma4, mac, opaque, total } from "../simd";
import { iq4Levels } from "./levels";
import { put16 } from "./strip";

// f16 d, 16 bits of scales' top two bits, 4 bytes of their low nibbles, 8 · 16 bytes of nibbles (elements 0..15 of a sub-block low, 16..31
// high). 136 bytes. w = d · (scale[s] - 32) · level[code], sub-blocks s of 32.

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackIQ4_XS(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const four = opaque(i8x16.splat(15), n), levels = opaque(iq4Levels(), n);
  let top = <u32>load<u16>(p, 2), low = load<u32>(p, 4);
  store<f32>(d, f16(p));
  p += 8;
  for (const end = p + 128; p < end; p += 16) {
    const v = v128.load(p), scale = i16x8.splat(<i16>(((low & 15) | ((top & 3) << 4)) - 32));
    put16(q, i8x16.swizzle(levels, v128.and(v, four)), scale);
    put16(q + 32, i8x16.swizzle(levels, v128.and(i16x8.shr_u(v, 4), four)), scale);
    top >>= 2; low >>= 4; q += 64;
  }
}

/** out[rows] = w[rows, K] · x[K]. Levels reach -127, so no relaxed dot: activations are widened as they are read. */
export function matvecIQ4_XS(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const four = opaque(i8x16.splat(15), K), levels = opaque(iq4Levels(), K);
  const rowBytes = <usize>(K >> 8) * 136, q0 = x + qOffset(K, 256);
  const apart = streamsApart(rows);
  for (let r: u32 = 0; r < apart; r++) for (let n = r; n < rows; n += apart) {
    let p = w + <usize>n * rowBytes, dx = x, q = q0, acc = f32x4.splat(0);
    for (const end = p + rowBytes; p < end; ) {
      let top = <u32>load<u16>(p, 2), low = load<u32>(p, 4), s = i32x4.splat(0);
      const d = f16(p) * load<f32>(dx);
      p += 8;
      for (const blockEnd = p + 128; p < blockEnd; p += 16) {
        const v = v128.load(p), a = i8x16.swizzle(levels, v128.and(v, four)), b = i8x16.swizzle(levels, v128.and(i16x8.shr_u(v, 4), four));
        let t = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(a), v128.load8x8_s(q));
        t = mac(i16x8.extend_high_i8x16_s(a), v128.load8x8_s(q, 8), t);
        t = mac(i16x8.extend_low_i8x16_s(b), v128.load8x8_s(q, 16), t);
        t = mac(i16x8.extend_high_i8x16_s(b), v128.load8x8_s(q, 24), t);
        s = i32x4.add(s, i32x4.mul(t, i32x4.splat(((low & 15) | ((top & 3) << 4)) - 32)));
        top >>= 2; low >>= 4; q += 32;
      }
      acc = fma4(f32x4.convert_i32x4_s(total(s)), f32x4.splat(d), acc);
      dx += 4;
    }
    store<f32>(out + (<usize>n << 2), f32x4.extract_lane(acc, 0));
  }
}
