/**
 * Repetitions within one process or page: the first (0) warms caches and compilers up, the best of the others counts. Up to three of those
 * for quick models, one for slow ones.
 */
export function* repetitions() {
  const start = performance.now();
  for (let i = 0; i <= 3 && (i <= 1 || performance.now() - start < 5000); i++) yield i;
}

/**
 * Prefill (PP) and generation (TG), tokens a second, of an engine given as { clear, decode(tokens) }, both async. `decode` computes the logits
 * of the last token. Generation feeds tokens of the prompt, so that every engine decodes the same ones.
 */
export async function speeds({ clear, decode }, tokens, generated) {
  const best = { pp: 0, tg: 0 };
  for (const i of repetitions()) {
    await clear();
    const start = performance.now();
    await decode(tokens);
    const read = performance.now();
    for (let t = 0; t < generated; t++) await decode([tokens[t % tokens.length]]);
    const end = performance.now();
    if (i === 0) continue;
    best.pp = Math.max(best.pp, (1e3 * tokens.length) / (read - start));
    best.tg = Math.max(best.tg, (1e3 * generated) / (end - read));
  }
  return best;
}
