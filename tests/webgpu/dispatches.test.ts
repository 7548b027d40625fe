import { describe, expect, it } from "vitest";
import { dispatchesOf, graphOf, splitOf } from "./shapes.ts";

/** What one token costs in dispatches, counted on the shapes of real models: most of a token's time on a fast GPU. */
describe("dispatches a token", () => {
  it.each([
    ["qwen3next-80b-a3b", "Q4_K_M", 493, 36],
    ["qwen3next-80b-a3b", "Q8_0", 415, 0],
    ["qwen3next-80b-a3b", "BF16", 463, 0],
    ["qwen35moe-35b-a3b", "Q4_K_M", 412, 30],
    ["qwen35-9b", "Q4_K_M", 330, 24],
  ] as const)("%s %s: at most %i", (preset, quant, most, rounded) => {
    const max = { T: 512, O: 1 };
    const model = graphOf(preset, quant, { contextLength: 32768, sequences: 1, cacheTypeK: "F16", cacheTypeV: "F16", max });
    const split = splitOf(model, max);
    const names = dispatchesOf(split, { T: 1, O: 1 }).map(({ kernel }) => kernel.name);
    expect(names.length).toBeLessThanOrEqual(most);
    expect(names.length).toBeLessThan(0.6 * dispatchesOf(split, { T: 1, O: 1 }, false).length);
    // Activations are rounded where they are made, but for K-quants after a delta net: its heads of 128 are half a block.
    expect(names.filter((name) => name === "quantize_q8").length).toBe(rounded);
  });
});
