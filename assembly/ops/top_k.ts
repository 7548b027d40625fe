/** Logits from which the bound is taken: more would make it only little higher. */
const SAMPLE: u32 = 16384;

/**
 * Unit: one row o. logits [O, V]; values [O, k] and ids [O, k], falling, the lower id first of equals. A heap of the k best so far, the worst
 * of them at its root: most logits fail its test. It begins with the first k logits that are not below a bound which k logits reach, so
 * few are put in only to be thrown out (8192 of a model, k = 64: 16.5 -> 9.5 µs). scratch: k keys of 8 bytes.
 */
export function top_k(values: usize, ids: usize, logits: usize, O: u32, V: u32, k: u32, scratch: usize, begin: u32, end: u32): void {
  for (let o = begin; o < end; o++) {
    const row = logits + (<usize>(o * V) << 2), heap = scratch, out = <usize>(o * k) << 2;
    let v = fill(heap, row, V, k);
    for (let i = k >> 1; i > 0; i--) sift(heap, key(heap, i - 1), i - 1, k);
    while (v < V) {
      v = skip(row, v, V, load<f32>(row + (<usize>idOf(key(heap, 0)) << 2)));
      for (const to = min(v + 4, V); v < to; v++) {
        const one = keyOf(row, v);
        if (one > key(heap, 0)) sift(heap, one, 0, k);
      }
    }
    for (let n = k; n > 0; n--) {
      const place = out + (<usize>(n - 1) << 2), id = idOf(key(heap, 0));
      store<u32>(ids + place, id);
      store<f32>(values + place, load<f32>(row + (<usize>id << 2)));
      sift(heap, key(heap, n - 1), 0, n - 1);
    }
  }
}

/** Puts the first k logits that are not below the bound into the heap, in no order. Returns where the next would be. */
function fill(heap: usize, row: usize, V: u32, k: u32): u32 {
  const bound = reached(row, min(V, SAMPLE), k);
  let v: u32 = 0;
  for (let n: u32 = 0; n < k; v++) {
    if (load<f32>(row + (<usize>v << 2)) < bound) continue;
    store<u64>(heap + (<usize>n << 3), keyOf(row, v));
    n++;
  }
  return v;
}

/**
 * A number that at least k of V logits reach, NaN taken for any: the least of so many groups' largest. A group's logits stand far apart, as
 * neighbours are alike: the vocabulary begins with its most frequent tokens.
 */
function reached(row: usize, V: u32, k: u32): f32 {
  const stride = <usize>((k + 15) & ~15) << 2, end = row + ((<usize>V << 2) / stride) * stride;
  let least = f32x4.splat(Infinity);
  for (let column = row; column < row + stride; column += 64) {
    let a = f32x4.splat(-Infinity), b = a, c = a, d = a;
    for (let x = column; x < end; x += stride) {
      a = f32x4.pmax(a, v128.load(x)); b = f32x4.pmax(b, v128.load(x, 16));
      c = f32x4.pmax(c, v128.load(x, 32)); d = f32x4.pmax(d, v128.load(x, 48));
    }
    least = f32x4.pmin(least, f32x4.pmin(f32x4.pmin(a, b), f32x4.pmin(c, d)));
  }
  least = f32x4.pmin(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmin(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2)), 0);
}

/** The first v from which four logits are not all <= worst; what NaN is compared with never is. */
// @ts-ignore: decorator
@inline
function skip(row: usize, v: u32, V: u32, worst: f32): u32 {
  const w = f32x4.splat(worst);
  for (; v + 16 <= V; v += 16) {
    const p = row + (<usize>v << 2), ab = v128.and(f32x4.le(v128.load(p), w), f32x4.le(v128.load(p, 16), w));
    if (!i32x4.all_true(v128.and(ab, v128.and(f32x4.le(v128.load(p, 32), w), f32x4.le(v128.load(p, 48), w))))) break;
  }
  while (v + 4 <= V && i32x4.all_true(f32x4.le(v128.load(row + (<usize>v << 2)), w))) v += 4;
  return v;
}

/** What a logit is compared by, larger for the better: its rank, then the lower id. */
// @ts-ignore: decorator
@inline
function keyOf(row: usize, v: u32): u64 {
  return ((<u64>rank(row, v)) << 32) | <u64>~v;
}

// @ts-ignore: decorator
@inline
function idOf(key: u64): u32 {
  return ~(<u32>key);
}

/** The logit's place in the order of numbers as an integer; -0 is 0, NaN comes after Infinity. */
// @ts-ignore: decorator
@inline
function rank(row: usize, v: u32): u32 {
  const bits = load<u32>(row + (<usize>v << 2));
  if ((bits & 0x7fffffff) > 0x7f800000) return u32.MAX_VALUE;
  if (bits == 0x80000000) return 0x80000000;
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

// @ts-ignore: decorator
@inline
function key(heap: usize, i: u32): u64 {
  return load<u64>(heap + (<usize>i << 3));
}

/** Puts a key in the place of one at `place`, below which n keys are a heap: the lesser child moves up until the key is no greater. */
function sift(heap: usize, one: u64, place: u32, n: u32): void {
  for (let child: u32 = 2 * place + 1; child < n; child = 2 * place + 1) {
    if (child + 1 < n) child += <u32>(key(heap, child + 1) < key(heap, child));
    const least = key(heap, child);
    if (one <= least) break;
    store<u64>(heap + (<usize>place << 3), least);
    place = child;
  }
  store<u64>(heap + (<usize>place << 3), one);
}
