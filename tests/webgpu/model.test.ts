import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import type { ContextOptions } from "../../ts/engine/context-options.ts";
import { RoundedReference } from "../models/rounded-reference.ts";
import { contextOn, tinyModel } from "../models/tiny.ts";
import { testBackend } from "./adapter.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const TOKENS = Array.from({ length: 23 }, (_, i) => (i * 89 + 7) % 300);
/** Up to 8 tokens matmuls take no tiles: those compile for seconds on SwiftShader, one for each shape. */
const SMALL = { ubatch: 8 };
/** Two whole ubatches, so that kernels are compiled for 8 tokens and for 1. */
const PROMPT = 16;

/** Logits of every token, [T][V]: a prompt in ubatches, then the rest token by token. */
async function logitsOn(on: Backend, bytes: Uint8Array, prompt: number, options: ContextOptions = {}): Promise<Float32Array[]> {
  const { context } = await contextOn(on, bytes, { ...SMALL, ...options });
  using held = context;
  const rows = await held.decode({ tokens: TOKENS.slice(0, prompt), logits: "all" });
  for (const token of TOKENS.slice(prompt)) rows.push(...(await held.decode({ tokens: [token] })));
  return rows;
}

/** The largest difference of each row, in units of all logits' root mean square. */
function differences(got: readonly Float32Array[], want: readonly Float32Array[]): number[] {
  const squares = want.reduce((sum, row) => sum + row.reduce((a, value) => a + value * value, 0), 0);
  const rms = Math.sqrt(squares / (want.length * want[0]!.length));
  return want.map((row, t) => Math.max(...row.map((value, i) => Math.abs(got[t]![i]! - value))) / rms);
}

describe.skipIf(!backend)("models on the GPU", () => {
  it.each(["qwen3next", "qwen35"] as const)("%s gives the reference's logits", async (architecture) => {
    const bytes = await tinyModel({ architecture, seed: 3 });
    const want = await logitsOn(new ReferenceBackend(), bytes, PROMPT);
    expect(Math.max(...differences(await logitsOn(backend!, bytes, PROMPT), want))).toBeLessThan(1e-3);
  });

  // Rows of tiny-qwen3next are whole blocks of 32; of tiny-qwen35 most are of 256, and Q8_0 stands in for the rest: both in one model.
  it.each([
    ["qwen3next", "Q8_0"],
    ["qwen35", "Q4_K"],
  ] as const)("%s in %s gives the logits of the same rounding", async (architecture, quant) => {
    const bytes = await tinyModel({ architecture, quant, seed: 5 });
    const want = await logitsOn(new RoundedReference(), bytes, PROMPT, { cacheTypeK: "f16", cacheTypeV: "f16" });
    const rows = differences(await logitsOn(backend!, bytes, PROMPT, { cacheTypeK: "f16", cacheTypeV: "f16" }), want);
    // A sum's last bit may tip a code over, rarely; from that token on the delta nets' states differ by about a percent.
    expect(Math.min(...rows), "the best row").toBeLessThan(1e-4);
    expect(Math.max(...rows), "the worst row").toBeLessThan(0.1);
  });
});
