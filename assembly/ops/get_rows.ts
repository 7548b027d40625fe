import { blockBytes, blockSize, hasMins, isFloat, rowBytes, unpackStrip, widenFloats } from "../formats/table";
import { STRIP, STRIP_D, STRIP_DM, STRIP_M } from "../formats/strip";

/**
 * out[R, D] f32 = rows ids[r] of w [N, D], dequantised as the reference does, to the bit. An id outside 0..N-1 reads the last row.
 * Unit: one row. scratch: matmulScratchBytes covers it.
 */
export function get_rows(out: usize, w: usize, ids: usize, R: u32, N: u32, D: u32, format: u32, scratch: usize, begin: u32, end: u32): void {
  const bytes = rowBytes(format, D);
  for (let r = begin; r < end; r++) {
    const row = w + <usize>min(load<u32>(ids + (<usize>r << 2)), N - 1) * bytes, to = out + ((<usize>r * <usize>D) << 2);
    if (isFloat(format)) widenFloats(format, row, D, to);
    else dequantizeRow(format, row, to, D, scratch);
  }
}

function dequantizeRow(format: u32, row: usize, out: usize, D: u32, strip: usize): void {
  const B = blockSize(format), mins = hasMins(format), bytes = <usize>blockBytes(format);
  for (let k: u32 = 0; k < D; k += STRIP) {
    const count = min(STRIP, D - k);
    unpackStrip(format, row, count, strip);
    row += <usize>(count / B) * bytes;
    for (let i: u32 = 0; i < count; i += 16) {
      const block = <usize>(i / B) << 2, q = strip + (<usize>i << 1);
      const d = v128.load32_splat(strip + STRIP_D + block);
      let m = f32x4.splat(0);
      if (mins) m = f32x4.splat(load<f32>(strip + STRIP_DM + block) * <f32>load<i16>(strip + STRIP_M + (<usize>i >> 3)));
      for (let j: usize = 0; j < 4; j++) {
        v128.store(out, f32x4.sub(f32x4.mul(f32x4.convert_i32x4_s(v128.load16x4_s(q + (j << 3))), d), m));
        out += 16;
      }
    }
  }
}
