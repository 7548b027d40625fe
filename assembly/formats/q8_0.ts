import { wideOffset } from "../matmul/activation";
import { streamsApart } from "../matmul/streams";
import { f16, f16Bits, f16Halves, f16Rebias, f16x4, fma4, hsum, mac, normalF16x4, opaque, total, totals } from "../simd";

// f16 d, 32 int8: w = d · q. 34 bytes.
// Float sums go by fours: block b adds to sum b % 4, the four are added up, and blocks behind the last whole four follow one by one.
// So four blocks of one row share the float steps, a lane each; matmul/tile.ts keeps the same order.

/** One block -> strip. */
// @ts-ignore: decorator
@inline
export function unpackQ8_0(p: usize, q: usize, m: usize, d: usize, dm: usize): void {
  v128.store(q, v128.load8x8_s(p, 2));
  v128.store(q, v128.load8x8_s(p, 10), 16);
  v128.store(q, v128.load8x8_s(p, 18), 32);
  v128.store(q, v128.load8x8_s(p, 26), 48);
  store<f32>(d, f16(p));
}

/** out[rows] = w[rows, K] · x[K]. One row at a time: two at once, block by block, collapse from DRAM (8 GB/s against 18). */
export function matvecQ8_0(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const rowBytes = <usize>(K >> 5) * 34, apart = streamsApart(rows);
  for (let r: u32 = 0; r < apart; r++) for (let n = r; n < rows; n += apart) {
    const p = w + <usize>n * rowBytes, to = out + (<usize>n << 2);
    if (!dotRow(p, x, to, K, true)) dotSubnormal(p, x, to, K);
  }
}

function dotSubnormal(w: usize, x: usize, out: usize, K: u32): void {
  dotRow(w, x, out, K, false);
}

/**
 * out[1] = w[K] · x[K]; false if `normal` and a d was zero or subnormal, which out is then wrong for. `normal` reads d in three steps instead of
 * ten (14.5 GB/s against 13.7).
 *
 * The shape is V8's. It moves every load of a straight stretch of code to the stretch's top, where four blocks at once spill (12 GB/s): a
 * loop of one block does not (V8 14 spills no more and would take four by 4 % faster). And it lifts constants only out of loops that test at
 * their end.
 */
// @ts-ignore: decorator
@inline
function dotRow(w: usize, x: usize, out: usize, K: u32, normal: bool): bool {
  const z = i32x4.splat(0), bits = opaque(f16Bits(), K), rebias = opaque(f16Rebias(), K);
  const fours = w + <usize>(K >> 7) * 136, end = w + <usize>(K >> 5) * 34;
  let q = x + wideOffset(K, 32), acc = f32x4.splat(0), least = i32x4.splat(-1);
  if (w < fours) {
    do {
      const h = f16Halves(w, w + 34, w + 68, w + 102), stop = w + 136;
      let a = z, b = z, c = z, d = z;
      do {
        a = b; b = c; c = d; d = dotBlock(w, q);
        w += 34; q += 64;
      } while (w < stop);
      const scale = f32x4.mul(normal ? normalF16x4(h, bits, rebias) : f16x4(h, bits, rebias), v128.load(x));
      acc = fma4(f32x4.convert_i32x4_s(totals(a, b, c, d)), scale, acc);
      if (normal) least = i32x4.min_u(least, i32x4.shl(h, 1));
      x += 16;
    } while (w < fours);
  }
  acc = f32x4.splat(hsum(acc));
  for (; w < end; w += 34, x += 4, q += 64) {
    acc = fma4(f32x4.convert_i32x4_s(total(dotBlock(w, q))), f32x4.splat(f16(w) * load<f32>(x)), acc);
  }
  store<f32>(out, f32x4.extract_lane(acc, 0));
  return !v128.any_true(i32x4.lt_u(least, i32x4.splat(0x08000000)));
}

/** A block's products, summed to four lanes. */
// @ts-ignore: decorator
@inline
function dotBlock(w: usize, q: usize): v128 {
  const u = v128.load(w, 2), v = v128.load(w, 18);
  const a = mac(i16x8.extend_high_i8x16_s(u), v128.load(q, 16), i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(u), v128.load(q)));
  const b = mac(i16x8.extend_high_i8x16_s(v), v128.load(q, 48), i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(v), v128.load(q, 32)));
  return i32x4.add(a, b);
}
