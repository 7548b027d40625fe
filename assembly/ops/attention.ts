import { addRow, dotRow, Format, prepareQuery, rowBytes, valueScale } from "../cache";
import { exp1, exp4 } from "../math";

/** Cells whose scores are made before their values are added: enough to hide the rescale, few enough to stay in L1. */
const BLOCK: u32 = 64;

/**
 * Unit: one query head (t, h). q, out [T, H, D]; caches [S, G, N, D]; rows, positions [T]. Online softmax (Milakov & Gimelshein 2018)
 * over blocks of cells that start at cell 0, so that a token's sum has one order whatever the ubatch.
 * scratch: the query as the cache type wants it [D], then BLOCK scores.
 */
export function attention(out: usize, q: usize, kCache: usize, vCache: usize, rows: usize, positions: usize, T: u32, H: u32, G: u32, N: u32, D: u32, scale: f32, kCacheFormat: u32, vCacheFormat: u32, scratch: usize, begin: u32, end: u32): void {
  const headBytes = <usize>D << 2;
  const kBytes = rowBytes(<Format>kCacheFormat, D);
  const vBytes = rowBytes(<Format>vCacheFormat, D);
  const query = scratch;
  const scores = scratch + headBytes;
  for (let unit = begin; unit < end; unit++) {
    const t = <usize>(unit / H) << 2;
    const g = (unit % H) / (H / G);
    const cells = <u32>load<i32>(positions + t) + 1;
    const stripe = <usize>((<u32>load<i32>(rows + t) * G + g) * N);
    const keys = kCache + stripe * kBytes;
    const values = vCache + stripe * vBytes;
    const to = out + <usize>unit * headBytes;
    prepareQuery(<Format>kCacheFormat, query, q + <usize>unit * headBytes, scale, D);
    memory.fill(to, 0, headBytes);
    let top: f32 = -Infinity;
    let sum: f32 = 0;
    for (let j: u32 = 0; j < cells; j += BLOCK) {
      const n = min(BLOCK, cells - j);
      let highest = top;
      for (let i: u32 = 0; i < n; i++) {
        const score = dotRow(<Format>kCacheFormat, query, keys + <usize>(j + i) * kBytes, D);
        store<f32>(scores + (<usize>i << 2), score);
        highest = max(highest, score);
      }
      const correction = exp1(top - highest); // e^-∞ is clamped to e^-87 of nothing: out and sum are still zero
      top = highest;
      sum = sum * correction + softmaxBlock(scores, n, top);
      addRow(<Format>vCacheFormat, to, values + <usize>j * vBytes, vBytes, scores, n, correction, valueScale(<Format>vCacheFormat), D);
    }
    const inverse = f32x4.splat(<f32>1.0 / sum);
    for (let i: usize = 0; i < headBytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(to + i), inverse));
  }
}

/** scores [n] ← e^(score - top), their sum. Lanes past n are written and not counted: BLOCK is a multiple of 4. */
@inline
function softmaxBlock(scores: usize, n: u32, top: f32): f32 {
  const tops = f32x4.splat(top);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(scores + i, exp4(f32x4.sub(v128.load(scores + i), tops)));
  let sum: f32 = 0;
  for (let i: usize = 0; i < <usize>n << 2; i += 4) sum += load<f32>(scores + i);
  return sum;
}
