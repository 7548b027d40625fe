import type { Candidates } from "./candidates.ts";

/** Keeps the `k` likeliest, in order; 0 or less keeps all. */
export function keepTopK(candidates: Candidates, k: number): void {
  if (k <= 0) return;
  candidates.sortFront(k);
  candidates.keep(Math.min(k, candidates.count), true);
}

// Most of a model's probability lies in a few hundred tokens: order that many first, and more only when they do not add up to p.
const FIRST_SORTED = 256;
const SORTED_GROWTH = 16;

/** Keeps the likeliest whose probabilities add up to at least `p`, the one that crosses it included; 1 keeps all. */
export function keepTopP(candidates: Candidates, p: number): void {
  if (p >= 1) return;
  let sortedCount = candidates.sorted ? candidates.count : Math.min(FIRST_SORTED, candidates.count);
  for (;;) {
    if (!candidates.sorted) candidates.sortFront(sortedCount);
    const { weights, total } = candidates.weights();
    let sum = 0;
    for (let i = 0; i < sortedCount; i++) {
      sum += weights[i]!;
      if (sum < p * total) continue;
      candidates.keep(i + 1, true);
      return;
    }
    if (sortedCount === candidates.count) return;
    sortedCount = Math.min(sortedCount * SORTED_GROWTH, candidates.count);
  }
}

/** Keeps those at least `p` times as likely as the likeliest; 0 keeps all. */
export function keepMinP(candidates: Candidates, p: number): void {
  if (p <= 0) return;
  const least = candidates.max() + Math.log(p);
  let kept = 0;
  for (let i = 0; i < candidates.count; i++) {
    if (candidates.logits[i]! < least) continue;
    candidates.logits[kept] = candidates.logits[i]!;
    candidates.ids[kept++] = candidates.ids[i]!;
  }
  candidates.keep(kept, candidates.sorted);
}

/**
 * Locally typical sampling (Meister et al. 2022): keeps those whose surprise -log(probability) lies closest to the entropy, until their
 * probabilities add up to more than `p`; 1 keeps all.
 */
export function keepTypicalP(candidates: Candidates, p: number): void {
  if (p >= 1) return;
  const { weights, total } = candidates.weights();
  const count = candidates.count;
  let entropy = 0;
  for (let i = 0; i < count; i++) {
    const probability = weights[i]! / total;
    if (probability > 0) entropy -= probability * Math.log(probability);
  }
  // A second set of candidates orders the places of the first: the typical ones come first where their "logit" is minus the distance.
  const order = candidates.scratch();
  for (let i = 0; i < count; i++) {
    order.ids[i] = i;
    order.logits[i] = -Math.abs(-Math.log(weights[i]! / total) - entropy);
  }
  order.keep(count, false);
  const kept = countTypical(order, weights, p * total);
  for (let i = 0; i < kept; i++) {
    const place = order.ids[i]!;
    order.ids[i] = candidates.ids[place]!;
    order.logits[i] = candidates.logits[place]!;
  }
  candidates.ids.set(order.ids.subarray(0, kept));
  candidates.logits.set(order.logits.subarray(0, kept));
  candidates.keep(kept, false);
}

/** How many of the places in `order` it takes for their weights to exceed `wanted`; at least that many are then in order. */
function countTypical(order: Candidates, weights: Float64Array, wanted: number): number {
  for (let sortedCount = FIRST_SORTED; ; sortedCount *= SORTED_GROWTH) {
    order.sortFront(sortedCount);
    let sum = 0;
    for (let i = 0; i < Math.min(sortedCount, order.count); i++) {
      sum += weights[order.ids[i]!]!;
      if (sum > wanted) return i + 1;
    }
    if (sortedCount >= order.count) return order.count;
  }
}
