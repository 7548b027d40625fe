import { largestMagnitude } from "./search";
import { f16Bits, f16Likely, opaque } from "./simd";

/** Types of a KV cache, by GGML type id. */
export const enum Format {
  F32 = 0,
  F16 = 1,
  Q8_0 = 8,
}

/** 2^112: a half's bits moved into a float's place are 2^-112 of its value. */
@inline
function two112(): f32 {
  return reinterpret<f32>(0x77800000);
}

@inline
export function rowBytes(format: Format, D: u32): usize {
  if (format == Format.F32) return <usize>D << 2;
  if (format == Format.F16) return <usize>D << 1;
  return <usize>(D >> 5) * 34;
}

/** Four halves at p as floats, times 2^-112. `bits` = f16Bits(), opaque in loops. */
@inline
export function halves(p: usize, bits: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(p), 13), bits);
}

/** Nearest halves of four floats, ties to even, in the low halves of 32-bit lanes; overflow gives infinity. */
@inline
function toHalves(value: v128): v128 {
  const sign = v128.and(i32x4.shr_u(value, 16), i32x4.splat(0x8000)), m = v128.and(value, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(m, odd), i32x4.splat(0x0fff - 0x38000000)), 13);
  // below the smallest normal half: adding 0.5 lets the FPU round at the last bit of a subnormal
  const subnormal = i32x4.sub(f32x4.add(m, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const nan = v128.and(i32x4.gt_s(m, i32x4.splat(0x7f800000)), i32x4.splat(0x0200));
  const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(m, i32x4.splat(0x38800000)));
  return v128.or(sign, v128.bitselect(v128.or(nan, i32x4.splat(0x7c00)), finite, i32x4.gt_s(m, i32x4.splat(0x477fffff))));
}

@inline
function toHalf(value: f32): u16 {
  return <u16>i32x4.extract_lane(toHalves(f32x4.splat(value)), 0);
}

/** Rounds D floats at `from` to the format and stores them at `to`. */
@inline
export function storeRow(format: Format, to: usize, from: usize, D: u32): void {
  if (format == Format.F32) memory.copy(to, from, <usize>D << 2);
  else if (format == Format.F16) {
    const end = to + (<usize>D << 1), eights = to + (<usize>(D & ~7) << 1);
    for (; to < eights; to += 16, from += 32) v128.store(to, i16x8.narrow_i32x4_u(toHalves(v128.load(from)), toHalves(v128.load(from, 16))));
    for (; to < end; to += 2, from += 4) store<u16>(to, toHalf(load<f32>(from)));
  } else {
    for (let block: u32 = 0; block < D >> 5; block++) storeBlock(to + <usize>block * 34, from + (<usize>block << 7));
  }
}

/** Q8_0: scale max|x| / 127 as a half, 32 rounded quotients (half away from zero, as ggml's quantize_row_q8_0_ref). */
function storeBlock(to: usize, from: usize): void {
  const d: f32 = largestMagnitude(from, 32) / 127.0;
  const inverse = f32x4.splat(d != 0 ? <f32>1.0 / d : 0);
  store<u16>(to, toHalf(d));
  for (let i: usize = 0; i < 32; i += 16, from += 64) {
    const low = i16x8.narrow_i32x4_s(rounded(from, inverse), rounded(from + 16, inverse));
    v128.store(to + 2 + i, i8x16.narrow_i16x8_s(low, i16x8.narrow_i32x4_s(rounded(from + 32, inverse), rounded(from + 48, inverse))));
  }
}

@inline
function rounded(x: usize, inverse: v128): v128 {
  const v = f32x4.mul(v128.load(x), inverse), half = v128.or(v128.and(v, i32x4.splat(0x80000000)), f32x4.splat(0.5));
  return i32x4.trunc_sat_f32x4_s(f32x4.add(v, half));
}

/** What widened rows lack: it goes into the other factor once, not into each element. */
@inline
export function factorOf(format: Format): f32 {
  return format == Format.F16 ? two112() : 1.0;
}

/** A cached row of D -> D / 4 vectors from `to` on, `step` bytes apart, divided by factorOf(format). D is a multiple of 8, of 32 for Q8_0. */
export function widenRow(format: Format, to: usize, step: usize, from: usize, D: u32): void {
  const end = from + rowBytes(format, D), bits = opaque(f16Bits(), D);
  if (format == Format.F32) {
    for (; from < end; from += 16, to += step) v128.store(to, v128.load(from));
  } else if (format == Format.F16) {
    for (; from < end; from += 16, to += step << 1) {
      v128.store(to, halves(from, bits));
      v128.store(to + step, halves(from + 8, bits));
    }
  } else {
    for (; from < end; from += 34) {
      const d = f32x4.splat(f16Likely(from));
      for (let p = from + 2; p < from + 34; p += 8, to += step << 1) {
        const eight = v128.load8x8_s(p);
        v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(eight)), d));
        v128.store(to + step, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(eight)), d));
      }
    }
  }
}
