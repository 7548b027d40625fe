/**
 * Unit: one row o. logits [O, V]; values [O, k] and ids [O, k], falling, the lower id first of equals. A heap of the k best so far stands in
 * the outputs, the worst of them at its root: most logits fail its test.
 */
export function top_k(values: usize, ids: usize, logits: usize, O: u32, V: u32, k: u32, begin: u32, end: u32): void {
  for (let o = begin; o < end; o++) {
    const row = logits + (<usize>(o * V) << 2);
    const ranks = values + (<usize>(o * k) << 2); // until the end the logits' ranks stand here
    const best = ids + (<usize>(o * k) << 2);
    for (let v: u32 = 0; v < k; v++) put(ranks, best, v, rank(row, v), v);
    for (let i: u32 = k >> 1; i > 0; i--) sift(ranks, best, i - 1, k);
    for (let v = k; v < V; ) {
      v = skip(row, v, V, load<f32>(row + (<usize>at(best, 0) << 2)));
      const to = min(v + 4, V);
      for (; v < to; v++) {
        const r = rank(row, v);
        if (r <= at(ranks, 0)) continue; // of equals the earlier stays
        put(ranks, best, 0, r, v);
        sift(ranks, best, 0, k);
      }
    }
    for (let n = k - 1; n > 0; n--) {
      swap(ranks, best, 0, n);
      sift(ranks, best, 0, n);
    }
    for (let i: u32 = 0; i < k; i++) store<f32>(ranks + (<usize>i << 2), load<f32>(row + (<usize>at(best, i) << 2)));
  }
}

/** The first v from which four logits are not all <= worst; what NaN is compared with never is. */
// @ts-ignore: decorator
@inline
function skip(row: usize, v: u32, V: u32, worst: f32): u32 {
  const w = f32x4.splat(worst);
  while (v + 4 <= V && i32x4.all_true(f32x4.le(v128.load(row + (<usize>v << 2)), w))) v += 4;
  return v;
}

/** The logit's place in the order of numbers as an integer; -0 is 0, NaN comes after Infinity. */
function rank(row: usize, v: u32): u32 {
  const bits = load<u32>(row + (<usize>v << 2));
  if ((bits & 0x7fffffff) > 0x7f800000) return u32.MAX_VALUE;
  if (bits == 0x80000000) return 0x80000000;
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

// @ts-ignore: decorator
@inline
function at(list: usize, i: u32): u32 {
  return load<u32>(list + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
function put(ranks: usize, ids: usize, i: u32, r: u32, id: u32): void {
  store<u32>(ranks + (<usize>i << 2), r);
  store<u32>(ids + (<usize>i << 2), id);
}

function swap(ranks: usize, ids: usize, i: u32, j: u32): void {
  const r = at(ranks, i);
  const id = at(ids, i);
  put(ranks, ids, i, at(ranks, j), at(ids, j));
  put(ranks, ids, j, r, id);
}

/** Whether place i of the heap is worse than place j. */
function worse(ranks: usize, ids: usize, i: u32, j: u32): bool {
  const a = at(ranks, i);
  const b = at(ranks, j);
  return a < b || (a == b && at(ids, i) > at(ids, j));
}

function sift(ranks: usize, ids: usize, root: u32, n: u32): void {
  let parent: u32 = root;
  while (<u32>(2 * parent + 1) < n) {
    let child: u32 = 2 * parent + 1;
    if (child + 1 < n && worse(ranks, ids, child + 1, child)) child++;
    if (!worse(ranks, ids, child, parent)) return;
    swap(ranks, ids, child, parent);
    parent = child;
  }
}
