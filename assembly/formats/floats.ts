// F32, F16 and BF16 weights: widened exactly (all finite values), multiplied with f32 activations. Classes without fields, used as
// changetype<F>(0). simple16 says whether simple4 will do for the next 16 weights: F16's subnormals, some 3 in 1000 weights of a usual model,
// take ten steps instead of three, and reading them as subnormal f32 would take Intel 150 cycles each.

import { streamsApart } from "../matmul/streams";
import { anySubnormal16, f16, f16Bits, f16Rebias, f16x4, fma4, hsum, normalF16x4, opaque } from "../simd";

@unmanaged
export class F32Element {
  @inline get bytes(): usize { return 4; }
  @inline simple16(p: usize, exponent: v128): bool { return true; }
  @inline simple4(p: usize, bits: v128, rebias: v128): v128 { return v128.load(p); }
  @inline load4(p: usize, bits: v128, rebias: v128): v128 { return v128.load(p); }
  @inline load1(p: usize): f32 { return load<f32>(p); }
}

@unmanaged
export class F16Element {
  @inline get bytes(): usize { return 2; }
  @inline simple16(p: usize, exponent: v128): bool { return !anySubnormal16(p, exponent); }
  @inline simple4(p: usize, bits: v128, rebias: v128): v128 { return normalF16x4(i32x4.shl(v128.load16x4_u(p), 16), bits, rebias); }
  @inline load4(p: usize, bits: v128, rebias: v128): v128 { return f16x4(i32x4.shl(v128.load16x4_u(p), 16), bits, rebias); }
  @inline load1(p: usize): f32 { return f16(p); }
}

@unmanaged
export class BF16Element {
  @inline get bytes(): usize { return 2; }
  @inline simple16(p: usize, exponent: v128): bool { return true; }
  @inline simple4(p: usize, bits: v128, rebias: v128): v128 { return i32x4.shl(v128.load16x4_u(p), 16); }
  @inline load4(p: usize, bits: v128, rebias: v128): v128 { return i32x4.shl(v128.load16x4_u(p), 16); }
  @inline load1(p: usize): f32 { return reinterpret<f32>(<u32>load<u16>(p) << 16); }
}

/** out[rows] = w[rows, K] · x[K]. Four accumulators hide the latency of the additions. */
// @ts-ignore: decorator
@inline
export function matvecFloat<F>(w: usize, x: usize, out: usize, rows: u32, K: u32): void {
  const f = changetype<F>(0), bits = opaque(f16Bits(), K), rebias = opaque(f16Rebias(), K), exponent = opaque(i16x8.splat(0x7c00), K);
  const rowBytes = <usize>K * f.bytes, by16 = <usize>(K & ~15) * f.bytes;
  const apart = streamsApart(rows);
  for (let r: u32 = 0; r < apart; r++) for (let n = r; n < rows; n += apart) {
    let p = w + <usize>n * rowBytes, q = x, a = f32x4.splat(0), b = a, c = a, d = a;
    const rowEnd = p + rowBytes;
    for (const end = p + by16; p < end; p += f.bytes << 4) {
      if (f.simple16(p, exponent)) {
        a = fma4(f.simple4(p, bits, rebias), v128.load(q), a);
        b = fma4(f.simple4(p + 4 * f.bytes, bits, rebias), v128.load(q, 16), b);
        c = fma4(f.simple4(p + 8 * f.bytes, bits, rebias), v128.load(q, 32), c);
        d = fma4(f.simple4(p + 12 * f.bytes, bits, rebias), v128.load(q, 48), d);
      } else {
        a = fma4(f.load4(p, bits, rebias), v128.load(q), a);
        b = fma4(f.load4(p + 4 * f.bytes, bits, rebias), v128.load(q, 16), b);
        c = fma4(f.load4(p + 8 * f.bytes, bits, rebias), v128.load(q, 32), c);
        d = fma4(f.load4(p + 12 * f.bytes, bits, rebias), v128.load(q, 48), d);
      }
      q += 64;
    }
    let sum = hsum(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    for (; p < rowEnd; p += f.bytes) {
      sum += f.load1(p) * load<f32>(q);
      q += 4;
    }
    store<f32>(out + (<usize>n << 2), sum);
  }
}

/** `count` weights -> f32. */
// @ts-ignore: decorator
@inline
export function widen<F>(p: usize, out: usize, count: u32): void {
  const f = changetype<F>(0), bits = opaque(f16Bits(), count), rebias = opaque(f16Rebias(), count);
  for (const end = out + (<usize>(count & ~3) << 2); out < end; out += 16) {
    v128.store(out, f.load4(p, bits, rebias));
    p += 4 * f.bytes;
  }
  for (const end = out + (<usize>(count & 3) << 2); out < end; out += 4) {
    store<f32>(out, f.load1(p));
    p += f.bytes;
  }
}
