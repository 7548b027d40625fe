import type { TokenProbability } from "../engine/sampler.ts";

/** The natural logarithm of the sum of exp(logit): logprob = logit - this. In float64. */
export function logSumExp(logits: Float32Array): number {
  let most = -Infinity;
  for (let token = 0; token < logits.length; token++) if (logits[token]! > most) most = logits[token]!;
  let sum = 0;
  for (let token = 0; token < logits.length; token++) sum += Math.exp(logits[token]! - most);
  return most + Math.log(sum);
}

/** The `count` likeliest tokens, the likeliest first, of equals the lower id; `total` is the logits' logSumExp. */
export function likeliest(logits: Float32Array, count: number, total: number): TokenProbability[] {
  const best: number[] = [];
  for (let token = 0; token < logits.length && count > 0; token++) {
    if (best.length === count && logits[token]! <= logits[best[count - 1]!]!) continue;
    if (best.length === count) best.pop();
    let place = best.length;
    while (place > 0 && logits[best[place - 1]!]! < logits[token]!) place--;
    best.splice(place, 0, token);
  }
  return best.map((token) => ({ token, probability: Math.exp(logits[token]! - total) }));
}
