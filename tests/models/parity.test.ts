import { describe, expect, it } from "vitest";
import { generate } from "../../ts/engine/generate.ts";
import { loadModel } from "../../ts/engine/model.ts";
import { data, norm, reference, referenceFloats, trainedModel, worst } from "./trained.ts";

const models = [
  ["qwen3next-mini", trainedModel("bf16")],
  ["qwen35-tiny", data("qwen35-tiny-f16.gguf")],
] as const;

describe.each(models)("%s against Hugging Face in float32", (name, path) => {
  const want = reference(name);

  it.skipIf(!path)("logits within 2e-3, hidden states within 1e-3 of their norm", async () => {
    using model = await loadModel(path!, { threads: 2 });
    using context = await model.createContext({
      contextLength: 256,
      ubatch: 256,
      cacheTypeK: "f32",
      cacheTypeV: "f32",
      keepResiduals: true,
    });
    const rows = await context.decode({ tokens: want.tokens, logits: want.rows });
    const logits = referenceFloats(want.logits.file); // [rows, V]
    const { V, E, L } = model.config;
    rows.forEach((row, i) => {
      expect(worst(row, logits.subarray(i * V, (i + 1) * V)), `logits of row ${want.rows[i]}`).toBeLessThan(2e-3);
    });
    const hidden = referenceFloats(want.hidden.file); // [L + 1, hidden rows, E]; the last is after the final norm
    for (let layer = 0; layer < L; layer++) {
      const residual = await context.readResidual(layer);
      want.hidden_rows.forEach((row, i) => {
        const expected = hidden.subarray((layer * want.hidden_rows.length + i) * E).subarray(0, E);
        const got = residual.subarray(row * E, (row + 1) * E);
        expect(worst(got, expected) / norm(expected), `layer ${layer}, row ${row}`).toBeLessThan(1e-3);
      });
    }
    const final = await context.readHidden(); // rows whose logits were wanted
    want.hidden_rows.forEach((row, i) => {
      const at = want.rows.indexOf(row);
      const expected = hidden.subarray((L * want.hidden_rows.length + i) * E).subarray(0, E);
      expect(worst(final.subarray(at * E, (at + 1) * E), expected) / norm(expected), `final norm, row ${row}`).toBeLessThan(1e-3);
    });
  });
});

describe("qwen3next-mini bf16", () => {
  const path = trainedModel("bf16");
  it.skipIf(!path)("greedy token ids of all prompts are identical", async () => {
    using model = await loadModel(path!, { threads: 2 });
    using context = await model.createContext({ contextLength: 512 });
    for (const { prompt, ids, greedy } of reference("qwen3next-mini").greedy) {
      expect(model.tokenizer.encode(prompt)).toEqual(ids);
      await context.clear();
      const made: number[] = [];
      for await (const { token } of generate(context, model.tokenizer, ids, { temperature: 0, maxTokens: greedy.length })) made.push(token);
      expect(made).toEqual(greedy);
    }
  });
});
