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

/** Nearest half of a float, ties to even; overflow gives infinity. */
@inline
export function toHalf(value: f32): u16 {
  const bits = reinterpret<u32>(value);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return <u16>(sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00));
  if (magnitude < 0x38800000) {
    // below the smallest normal half: adding 0.5 lets the FPU round at the last bit of a subnormal
    const sum = reinterpret<f32>(magnitude) + <f32>0.5;
    return <u16>(sign | (reinterpret<u32>(sum) - 0x3f000000));
  }
  return <u16>(sign | ((magnitude + 0x0fff + ((magnitude >> 13) & 1) - 0x38000000) >> 13));
}

/** Rounds D floats at `from` to the format and stores them at `to`. */
@inline
export function storeRow(format: Format, to: usize, from: usize, D: u32): void {
  if (format == Format.F32) memory.copy(to, from, <usize>D << 2);
  else if (format == Format.F16) {
    for (let i: usize = 0; i < <usize>D; i++) store<u16>(to + (i << 1), toHalf(load<f32>(from + (i << 2))));
  } else {
    for (let block: u32 = 0; block < D >> 5; block++) storeBlock(to + <usize>block * 34, from + (<usize>block << 7));
  }
}

/** Q8_0: scale max|x| / 127 as a half, 32 rounded quotients (half away from zero, as ggml's quantize_row_q8_0_ref). */
function storeBlock(to: usize, from: usize): void {
  let top: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) top = max(top, abs(load<f32>(from + i)));
  const d: f32 = top / 127.0;
  const inverse: f32 = d != 0 ? 1.0 / d : 0;
  store<u16>(to, toHalf(d));
  for (let i: usize = 0; i < 32; i++) {
    const v = load<f32>(from + (i << 2)) * inverse;
    store<i8>(to + 2 + i, <i8>(v < 0 ? <i32>(v - 0.5) : <i32>(v + 0.5)));
  }
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
