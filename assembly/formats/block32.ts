// What the 4- and 5-bit formats with blocks of 32 share. Each is a class without fields, used as changetype<F>(0): its methods are
// inlined, so that one body below becomes one tight loop per format.
//   bytes          of a block
//   low, high      codes of elements 0..15 and 16..31, as bytes; `tableA`, `tableB` come from the methods of the same name
//   zero           what to subtract from a code; codes stay in 0..31 before (relaxed dots need 0..127 and sums that fit i16)
//   signed         codes are int8 levels of the whole range: no relaxed dot, zero = 0
//   scale, min     w = scale · (code - zero) + min

import { qOffset, sum16Offset, wideOffset } from "../matmul/activation";
import { streamsApart } from "../matmul/streams";
import { fma4, mac, opaque, rdot16, total } from "../simd";
import { put16 } from "./strip";

/** Low nibbles of sixteen bytes. `four` = splat(15), opaque. */
// @ts-ignore: decorator
@inline
export function lowNibbles(v: v128, four: v128): v128 {
  return v128.and(v, four);
}
// @ts-ignore: decorator
@inline
export function highNibbles(v: v128, four: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), four);
}

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpack32<F>(p: usize, q: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const f = changetype<F>(0), four = opaque(i8x16.splat(15), n), a = opaque(f.tableA(), n), b = opaque(f.tableB(), n);
  const zero = i8x16.splat(<i8>f.zero), one = i16x8.splat(1);
  put16(q, i8x16.sub(f.low(p, four, a, b), zero), one);
  put16(q + 32, i8x16.sub(f.high(p, four, a, b), zero), one);
  store<u32>(m, 0x00010001);
  store<f32>(d, f.scale(p));
  store<f32>(dm, -f.min(p));
}

/** One block -> strip of codes. */
// @ts-ignore: decorator
@inline
export function unpackCodes32<F>(p: usize, q: usize, scale: usize, m: usize, d: usize, dm: usize, n: u32): void {
  const f = changetype<F>(0), four = opaque(i8x16.splat(15), n), a = opaque(f.tableA(), n), b = opaque(f.tableB(), n);
  v128.store(q, f.low(p, four, a, b));
  v128.store(q, f.high(p, four, a, b), 16);
  store<u32>(scale, 0x00010001);
  store<u32>(m, f.hasMin ? 0x00010001 : <u32><u16>(-f.zero) * 0x00010001);
  const by = f.scale(p);
  store<f32>(d, by);
  store<f32>(dm, f.hasMin ? -f.min(p) : by);
}

/** out[rows] = w[rows, K] · x[K] */
// @ts-ignore: decorator
@inline
export function matvec32<F>(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const f = changetype<F>(0), four = opaque(i8x16.splat(15), K), a = opaque(f.tableA(), K), b = opaque(f.tableB(), K);
  const one = opaque(i16x8.splat(1), K), minusZero = opaque(i16x8.splat(-f.zero), K), zero = opaque(i8x16.splat(<i8>f.zero), K);
  const rowBytes = <usize>(K >> 5) * f.bytes;
  const relaxed = ASC_FEATURE_RELAXED_SIMD && !f.signed;
  const apart = streamsApart(rows);
  for (let r: u32 = 0; r < apart; r++) for (let n = r; n < rows; n += apart) {
    let p = w + <usize>n * rowBytes, scale = x, sums = x + sum16Offset(K, 32), q = x + (relaxed ? qOffset(K, 32) : wideOffset(K, 32));
    let acc = f32x4.splat(0);
    for (const end = p + rowBytes; p < end; p += f.bytes) {
      let s: v128;
      if (relaxed) {
        const pairs = i16x8.add(rdot16(v128.load(q), f.low(p, four, a, b)), rdot16(v128.load(q, 16), f.high(p, four, a, b)));
        s = i32x4.dot_i16x8_s(pairs, one);
        if (f.zero != 0) s = mac(v128.load32_zero(sums), minusZero, s);
        q += 32;
      } else {
        const low = f.zero != 0 ? i8x16.sub(f.low(p, four, a, b), zero) : f.low(p, four, a, b);
        s = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(low), v128.load(q));
        s = mac(i16x8.extend_high_i8x16_s(low), v128.load(q, 16), s);
        const high = f.zero != 0 ? i8x16.sub(f.high(p, four, a, b), zero) : f.high(p, four, a, b);
        s = mac(i16x8.extend_low_i8x16_s(high), v128.load(q, 32), s);
        s = mac(i16x8.extend_high_i8x16_s(high), v128.load(q, 48), s);
        q += 64;
      }
      const dx = load<f32>(scale);
      if (f.hasMin) acc = fma4(f32x4.splat(<f32>(<i32>load<i16>(sums) + <i32>load<i16>(sums, 2))), f32x4.splat(f.min(p) * dx), acc);
      acc = fma4(f32x4.convert_i32x4_s(total(s)), f32x4.splat(f.scale(p) * dx), acc);
      scale += 4; sums += 4;
    }
    store<f32>(out + (<usize>n << 2), f32x4.extract_lane(acc, 0));
  }
}
