import { Format, rowBytes, storeRow } from "../cache";

/** Unit: one kv head (t, g). k, v [T, G, D]; caches [S, G, N, D] of type F32, F16 or Q8_0; rows, positions [T]. */
export function kv_write(k: usize, v: usize, kCache: usize, vCache: usize, rows: usize, positions: usize, T: u32, G: u32, N: u32, D: u32, kCacheFormat: u32, vCacheFormat: u32, begin: u32, end: u32): void {
  const kBytes = rowBytes(<Format>kCacheFormat, D);
  const vBytes = rowBytes(<Format>vCacheFormat, D);
  for (let unit = begin; unit < end; unit++) {
    const t = <usize>(unit / G) << 2;
    const g = unit % G;
    const cell = <usize>((<u32>load<i32>(rows + t) * G + g) * N + <u32>load<i32>(positions + t));
    const head = <usize>(unit * D) << 2;
    storeRow(<Format>kCacheFormat, kCache + cell * kBytes, k + head, D);
    storeRow(<Format>vCacheFormat, vCache + cell * vBytes, v + head, D);
  }
}
