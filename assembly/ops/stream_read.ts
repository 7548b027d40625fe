import { total } from "../simd";

/** ts/backends/wasm/bandwidth.ts counts on it. */
const UNIT_BYTES: usize = 65536;

/**
 * Of no op: reads memory as fast as it comes, to find out how fast that is. Unit: 64 KiB of x; out [units], i32, gets the sum of the unit's
 * words. Four sums that do not wait for each other.
 */
export function stream_read(out: usize, x: usize, begin: u32, end: u32): void {
  for (let unit = begin; unit < end; unit++) {
    const from = x + <usize>unit * UNIT_BYTES;
    let a = i32x4.splat(0), b = a, c = a, d = a;
    for (let p = from; p < from + UNIT_BYTES; p += 64) {
      a = i32x4.add(a, v128.load(p));
      b = i32x4.add(b, v128.load(p, 16));
      c = i32x4.add(c, v128.load(p, 32));
      d = i32x4.add(d, v128.load(p, 48));
    }
    store<i32>(out + (<usize>unit << 2), i32x4.extract_lane(total(i32x4.add(i32x4.add(a, b), i32x4.add(c, d))), 0));
  }
}
