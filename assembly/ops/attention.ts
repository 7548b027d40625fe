import { Format, factorOf, rowBytes, widenRows } from "../cache";
import { exp1, exp4 } from "../math";
import { fma4, hsum, sumsOfFour } from "../simd";

/** Cells whose keys, then values, are widened at once for all queries of a unit: [64, 256] f32 stay in L2. */
const BLOCK: u32 = 64;
/** Query heads that share them, at least one token's. ts/graph/ops/attention.ts counts units by it. */
const QUERIES: u32 = 8;

/**
 * Unit: a kv head g and as many tokens as give 8 query heads. q, out [T, H, D]; caches [S, G, N, D]; rows, positions [T]. Online softmax
 * (Milakov & Gimelshein 2018) over blocks of cells that start at cell 0, so that a token's sum has one order whatever the ubatch.
 * scratch: queries as the cache type wants them [R, D]; scores [R, BLOCK]; top, sum and correction [R, 4]; widened rows [BLOCK, D].
 */
export function attention(out: usize, q: usize, kCache: usize, vCache: usize, rows: usize, positions: usize, T: u32, H: u32, G: u32, N: u32, D: u32, scale: f32, kCacheFormat: u32, vCacheFormat: u32, scratch: usize, begin: u32, end: u32): void {
  const group = H / G, tokens = max(1, QUERIES / group), headBytes = <usize>D << 2;
  for (let unit = begin; unit < end; unit++) {
    const g = unit % G, last = min(T, (unit / G + 1) * tokens);
    for (let t = (unit / G) * tokens; t < last; ) {
      const row = load<u32>(rows + (<usize>t << 2));
      let to = t + 1;
      while (to < last && load<u32>(rows + (<usize>to << 2)) == row) to++;
      const stripe = <usize>((row * G + g) * N), first = <usize>(t * H + g * group) * headBytes;
      const keys = kCache + stripe * rowBytes(<Format>kCacheFormat, D), values = vCache + stripe * rowBytes(<Format>vCacheFormat, D);
      attend(out + first, q + first, keys, values, positions + (<usize>t << 2), to - t, group, <usize>H * headBytes, D, scale, <Format>kCacheFormat, <Format>vCacheFormat, scratch);
      t = to;
    }
  }
}

/** `tokens` tokens of one sequence, `group` query heads each, `tokenBytes` apart. */
function attend(out: usize, q: usize, keys: usize, values: usize, positions: usize, tokens: u32, group: u32, tokenBytes: usize, D: u32, scale: f32, kFormat: Format, vFormat: Format, scratch: usize): void {
  const R = tokens * group, headBytes = <usize>D << 2;
  const scores = scratch + <usize>R * headBytes, stats = scores + <usize>(R * BLOCK << 2), wide = stats + (<usize>R << 4);
  const factor = f32x4.splat(scale * factorOf(kFormat));
  for (let r: u32 = 0; r < R; r++) {
    const from = headAt(q, r, group, tokenBytes, headBytes), to = scratch + <usize>r * headBytes;
    for (let i: usize = 0; i < headBytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), factor));
    memory.fill(headAt(out, r, group, tokenBytes, headBytes), 0, headBytes);
    store<f32>(stats + (<usize>r << 4), -Infinity);
    store<f32>(stats + (<usize>r << 4), 0, 4);
  }
  const cells = cellsOf(positions, tokens - 1);
  for (let j: u32 = 0; j < cells; j += BLOCK) {
    const n = min(BLOCK, cells - j);
    widenRows(kFormat, wide, keys + <usize>j * rowBytes(kFormat, D), n, D);
    for (let r: u32 = 0; r < R; r += 2) scorePair(scratch, scores, r, min(r + 1, R - 1), wide, n, headBytes);
    for (let r: u32 = 0; r < R; r++) {
      const seen = cellsOf(positions, r / group);
      softmax(scores + <usize>(r * BLOCK << 2), seen > j ? min(n, seen - j) : 0, n, stats + (<usize>r << 4), factorOf(vFormat));
    }
    widenRows(vFormat, wide, values + <usize>j * rowBytes(vFormat, D), n, D);
    for (let i: usize = 0; i < headBytes; i += 64) {
      for (let r: u32 = 0; r < R; r += 2) {
        const s = min(r + 1, R - 1);
        const outR = headAt(out, r, group, tokenBytes, headBytes) + i, outS = headAt(out, s, group, tokenBytes, headBytes) + i;
        const scoresR = scores + <usize>(r * BLOCK << 2), scoresS = scores + <usize>(s * BLOCK << 2);
        if (i + 64 <= headBytes) addValues(outR, outS, scoresR, scoresS, stats + (<usize>r << 4), stats + (<usize>s << 4), wide + i, n, headBytes);
        else addTail(outR, outS, scoresR, scoresS, stats + (<usize>r << 4), stats + (<usize>s << 4), wide + i, n, headBytes, headBytes - i);
      }
    }
  }
  for (let r: u32 = 0; r < R; r++) {
    const to = headAt(out, r, group, tokenBytes, headBytes), inverse = f32x4.splat(<f32>1.0 / load<f32>(stats + (<usize>r << 4), 4));
    for (let i: usize = 0; i < headBytes; i += 16) v128.store(to + i, f32x4.mul(v128.load(to + i), inverse));
  }
}

@inline
function cellsOf(positions: usize, token: u32): u32 {
  return <u32>load<i32>(positions + (<usize>token << 2)) + 1;
}

@inline
function headAt(base: usize, r: u32, group: u32, tokenBytes: usize, headBytes: usize): usize {
  return base + <usize>(r / group) * tokenBytes + <usize>(r % group) * headBytes;
}

/** Scores of queries r and s with n widened keys, four at a time; a last four repeats the last key. */
function scorePair(queries: usize, scores: usize, r: u32, s: u32, keys: usize, n: u32, headBytes: usize): void {
  const q = queries + <usize>r * headBytes, p = queries + <usize>s * headBytes, last = keys + <usize>(n - 1) * headBytes, z = f32x4.splat(0);
  let toR = scores + <usize>(r * BLOCK << 2), toS = scores + <usize>(s * BLOCK << 2);
  for (let a = keys; a <= last; a += headBytes << 2, toR += 16, toS += 16) {
    const b = min(a + headBytes, last), c = min(a + 2 * headBytes, last), d = min(a + 3 * headBytes, last);
    let ra = z, rb = z, rc = z, rd = z, sa = z, sb = z, sc = z, sd = z;
    for (let i: usize = 0; i < headBytes; i += 16) {
      const x = v128.load(q + i), y = v128.load(p + i);
      let k = v128.load(a + i);
      ra = fma4(x, k, ra); sa = fma4(y, k, sa);
      k = v128.load(b + i);
      rb = fma4(x, k, rb); sb = fma4(y, k, sb);
      k = v128.load(c + i);
      rc = fma4(x, k, rc); sc = fma4(y, k, sc);
      k = v128.load(d + i);
      rd = fma4(x, k, rd); sd = fma4(y, k, sd);
    }
    v128.store(toR, sumsOfFour(ra, rb, rc, rd));
    v128.store(toS, sumsOfFour(sa, sb, sc, sd));
  }
}

/**
 * scores ← e^(score - top) · factor for the first `seen` of n cells, 0 for the others; stats: top, sum and the correction of what was added
 * before. A query that sees none of the cells keeps its sum, with correction 1.
 */
function softmax(scores: usize, seen: u32, n: u32, stats: usize, factor: f32): void {
  const end = scores + <usize>((n + 3 & ~3) << 2);
  for (let p = scores + (<usize>seen << 2); p < end; p += 4) store<f32>(p, -Infinity);
  let m = f32x4.splat(load<f32>(stats));
  for (let p = scores; p < end; p += 16) m = f32x4.pmax(m, v128.load(p));
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2));
  const correction: f32 = seen > 0 ? exp1(load<f32>(stats) - f32x4.extract_lane(m, 0)) : 1; // at first e^-∞ is clamped to e^-87 of nothing
  const by = f32x4.splat(factor);
  let sum = f32x4.splat(0);
  for (let p = scores; p < end; p += 16) {
    const score = v128.load(p);
    const e = v128.and(exp4(f32x4.sub(score, m)), f32x4.gt(score, f32x4.splat(-Infinity)));
    sum = f32x4.add(sum, e);
    v128.store(p, f32x4.mul(e, by));
  }
  store<f32>(stats, f32x4.extract_lane(m, 0));
  store<f32>(stats, load<f32>(stats, 4) * correction + hsum(sum), 4);
  store<f32>(stats, correction, 8);
}

/** outR, outS [16] ← out · correction + Σ score · value over n cells. */
function addValues(outR: usize, outS: usize, scoresR: usize, scoresS: usize, statsR: usize, statsS: usize, values: usize, n: u32, headBytes: usize): void {
  const cr = v128.load32_splat(statsR, 8), cs = v128.load32_splat(statsS, 8);
  let r0 = f32x4.mul(v128.load(outR), cr), r1 = f32x4.mul(v128.load(outR, 16), cr), r2 = f32x4.mul(v128.load(outR, 32), cr), r3 = f32x4.mul(v128.load(outR, 48), cr);
  let s0 = f32x4.mul(v128.load(outS), cs), s1 = f32x4.mul(v128.load(outS, 16), cs), s2 = f32x4.mul(v128.load(outS, 32), cs), s3 = f32x4.mul(v128.load(outS, 48), cs);
  for (const end = scoresR + (<usize>n << 2); scoresR < end; scoresR += 4, scoresS += 4, values += headBytes) {
    const r = v128.load32_splat(scoresR), s = v128.load32_splat(scoresS);
    let v = v128.load(values);
    r0 = fma4(r, v, r0); s0 = fma4(s, v, s0);
    v = v128.load(values, 16);
    r1 = fma4(r, v, r1); s1 = fma4(s, v, s1);
    v = v128.load(values, 32);
    r2 = fma4(r, v, r2); s2 = fma4(s, v, s2);
    v = v128.load(values, 48);
    r3 = fma4(r, v, r3); s3 = fma4(s, v, s3);
  }
  v128.store(outR, r0); v128.store(outR, r1, 16); v128.store(outR, r2, 32); v128.store(outR, r3, 48);
  v128.store(outS, s0); v128.store(outS, s1, 16); v128.store(outS, s2, 32); v128.store(outS, s3, 48);
}

/** The same for the last `bytes` of a head that sixteen floats do not divide. */
function addTail(outR: usize, outS: usize, scoresR: usize, scoresS: usize, statsR: usize, statsS: usize, values: usize, n: u32, headBytes: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    let r = f32x4.mul(v128.load(outR + i), v128.load32_splat(statsR, 8)), s = f32x4.mul(v128.load(outS + i), v128.load32_splat(statsS, 8));
    for (let c: usize = 0; c < <usize>n << 2; c += 4) {
      const v = v128.load(values + i + (c >> 2) * headBytes);
      r = fma4(v128.load32_splat(scoresR + c), v, r);
      s = fma4(v128.load32_splat(scoresS + c), v, s);
    }
    v128.store(outR + i, r);
    v128.store(outS + i, s);
  }
}
