import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ContextOptions } from "../../ts/engine/context-options.ts";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { data, embeddedModel, reference, trainedModel } from "./trained.ts";

const text = readFileSync(data("qwen3next-mini-heldout.txt"), "utf8");
const want = reference("qwen3next-mini").perplexity;

/** exp of the mean -ln p after each chunk, by the protocol in qwen3next-mini.json; plain, apart from the command's own code. */
async function runningPerplexity(model: Model, n: number, chunks: number, options: ContextOptions): Promise<number[]> {
  const tokens = model.tokenizer.encode(text, { addSpecial: false });
  using context = await model.createContext({ contextLength: n, ...options });
  const wanted = Array.from({ length: n - 1 - n / 2 }, (_, i) => n / 2 + i);
  const running: number[] = [];
  let sum = 0;
  for (let c = 0; c < chunks; c++) {
    await context.clear();
    const chunk = tokens.slice(c * n, (c + 1) * n);
    const rows = await context.decode({ tokens: chunk, logits: wanted });
    rows.forEach((row, i) => {
      const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const total = row.reduce((a, b) => a + Math.exp(b - top), 0);
      sum -= row[chunk[wanted[i]! + 1]!]! - top - Math.log(total);
    });
    running.push(Math.exp(sum / ((c + 1) * wanted.length)));
  }
  return running;
}

const apart = (got: number, from: number, to = from) => Math.max(0, from - got, got - to) / from;

describe("perplexity of the trained model on held-out text", () => {
  const bf16 = trainedModel("bf16");
  it.skipIf(!bf16)("bf16: every running value within 0.1 % of Hugging Face, the last within 0.05 %", async () => {
    using model = await loadModel(bf16!, { threads: 2 });
    for (const [n_ctx, chunks] of [
      [256, 16],
      [512, 6], // all 16 are a matter of the command: `tandem perplexity -c 512`
    ] as const) {
      const { running } = want.find((one) => one.n_ctx === n_ctx)!;
      const got = await runningPerplexity(model, n_ctx, chunks, {});
      got.forEach((value, i) => void expect(apart(value, running[i]!), `c=${n_ctx} [${i + 1}] ${value}`).toBeLessThan(1e-3));
      expect(apart(got.at(-1)!, running[chunks - 1]!)).toBeLessThan(5e-4);
    }
  });

  // what ik_llama.cpp and llama.cpp give on the same files: they differ, as each rounds activations its own way
  const quantised = [
    ["q8_0", trainedModel("q8_0"), 4.2054, 4.2085, 2e-3],
    ["q4_k_m", embeddedModel, 4.2384, 4.2505, 3e-3],
  ] as const;
  it.each(quantised)("%s: within the range of the native engines", async (_, path, from, to, tolerance) => {
    if (!path) return;
    using model = await loadModel(path, { threads: 2 });
    expect(apart((await runningPerplexity(model, 256, 16, {})).at(-1)!, from, to)).toBeLessThan(tolerance);
  });

  it("is the same to 1e-4 for every ubatch and for one and two threads", async () => {
    const results: number[] = [];
    for (const threads of [1, 2]) {
      using model = await loadModel(embeddedModel, { threads });
      for (const ubatch of [1, 7, 64, 256]) results.push((await runningPerplexity(model, 256, 2, { ubatch })).at(-1)!);
    }
    for (const value of results) expect(apart(value, results[0]!)).toBeLessThan(1e-7); // the bar is 1e-4; kernels promise the same bits
  });
});
