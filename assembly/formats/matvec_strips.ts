import { qOffset, sum16Offset } from "../matmul/activation";
import { streamsApart } from "../matmul/streams";
import { fma4, mac, total } from "../simd";
import { STRIP, STRIP_D, STRIP_DM, STRIP_M } from "./strip";
import { blockBytes, hasMins, unpackStrip } from "./table";

/** out[rows] = w[rows, K] · x[K] for formats in blocks of 256 that have no loop of their own: unpack to a strip, then dot. */
export function matvecStrips(format: u32, w: usize, x: usize, out: usize, rows: u32, K: u32, strip: usize): void {
  const bytes = <usize>blockBytes(format), mins = hasMins(format);
  const apart = streamsApart(rows), rowBytes = <usize>(K >> 8) * bytes;
  for (let r: u32 = 0; r < apart; r++) for (let n = r; n < rows; n += apart) {
    let p = w + <usize>n * rowBytes, dx = x, sum = x + sum16Offset(K, 256), q = x + qOffset(K, 256), acc = f32x4.splat(0);
    for (let k: u32 = 0; k < K; k += STRIP) {
      const count = min(STRIP, K - k);
      unpackStrip(format, p, count, strip);
      p += <usize>(count >> 8) * bytes;
      for (let b: usize = 0; b < <usize>(count >> 8); b++) {
        const scale = load<f32>(dx);
        if (mins) {
          const m = strip + STRIP_M + (b << 5);
          const s = mac(v128.load(m, 16), v128.load(sum, 16), i32x4.dot_i16x8_s(v128.load(m), v128.load(sum)));
          acc = fma4(f32x4.convert_i32x4_s(total(s)), f32x4.splat(-load<f32>(strip + STRIP_DM + (b << 2)) * scale), acc);
        }
        acc = fma4(f32x4.convert_i32x4_s(total(dot256(strip + (b << 9), q))), f32x4.splat(load<f32>(strip + STRIP_D + (b << 2)) * scale), acc);
        dx += 4; sum += 32; q += 256;
      }
    }
    store<f32>(out + (<usize>n << 2), f32x4.extract_lane(acc, 0));
  }
}

// @ts-ignore: decorator
@inline
function dot256(w: usize, q: usize): v128 {
  let a = i32x4.splat(0), b = a;
  for (const end = w + 512; w < end; w += 32) {
    a = mac(v128.load(w), v128.load8x8_s(q), a);
    b = mac(v128.load(w, 16), v128.load8x8_s(q, 8), b);
    q += 16;
  }
  return i32x4.add(a, b);
}
