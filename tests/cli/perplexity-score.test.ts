import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkPieces, negativeLogLikelihood, RunningPerplexity } from "../../ts/cli/perplexity-score.ts";

describe("negativeLogLikelihood", () => {
  it("is -ln of the softmax", () => {
    expect(negativeLogLikelihood([0, 0, 0, 0], 2)).toBeCloseTo(Math.log(4), 14);
    // e / (1 + e + e^2) and so on
    expect(negativeLogLikelihood([0, 1, 2], 0)).toBeCloseTo(2.4076059644443806, 14);
    expect(negativeLogLikelihood([0, 1, 2], 2)).toBeCloseTo(0.4076059644443804, 14);
  });

  it("does not overflow or lose small probabilities", () => {
    expect(negativeLogLikelihood([1000, 0], 0)).toBe(0);
    expect(negativeLogLikelihood([1000, 0], 1)).toBe(1000);
    expect(negativeLogLikelihood([Number.NEGATIVE_INFINITY, 3], 1)).toBe(0);
  });
});

describe("RunningPerplexity", () => {
  it("is exp of the mean, with its standard error", () => {
    const score = new RunningPerplexity();
    for (const value of [1, 2, 3]) score.add(value);
    expect(score.count).toBe(3);
    expect(score.perplexity).toBeCloseTo(Math.exp(2), 12);
    // the sample's variance is 1, that of the mean 1/3
    expect(score.error).toBeCloseTo(Math.exp(2) * Math.sqrt(1 / 3), 12);
  });

  it("has no error to tell of one score", () => {
    const score = new RunningPerplexity();
    score.add(2);
    expect(score.error).toBe(0);
  });
});

describe("chunkPieces", () => {
  it("scores the second half, and does not decode the last token", () => {
    expect(chunkPieces(8, 100, 100)).toEqual([{ begin: 0, end: 7, logits: [4, 5, 6] }]);
    expect(chunkPieces(8, 3, 100)).toEqual([
      { begin: 0, end: 3, logits: [] },
      { begin: 3, end: 6, logits: [1, 2] },
      { begin: 6, end: 7, logits: [0] },
    ]);
    expect(chunkPieces(8, 100, 2)).toEqual([
      { begin: 0, end: 6, logits: [4, 5] },
      { begin: 6, end: 7, logits: [0] },
    ]);
  });

  it("covers every chunk once, within its limits", () => {
    const sizes = fc.record({
      length: fc.integer({ min: 2, max: 300 }),
      batch: fc.integer({ min: 1, max: 64 }),
      rows: fc.integer({ min: 1, max: 64 }),
    });
    fc.assert(
      fc.property(sizes, ({ length, batch, rows }) => {
        const pieces = chunkPieces(length, batch, rows);
        const scored = pieces.flatMap(({ begin, logits }) => logits.map((index) => begin + index));
        const first = Math.floor(length / 2);
        expect(scored).toEqual(Array.from({ length: Math.max(0, length - 1 - first) }, (_, i) => first + i));
        expect(pieces.map(({ begin }) => begin)).toEqual([0, ...pieces.slice(0, -1).map(({ end }) => end)]);
        expect(pieces.at(-1)!.end).toBe(length - 1);
        for (const { begin, end, logits } of pieces) {
          expect(end - begin).toBeLessThanOrEqual(batch);
          expect(logits.length).toBeLessThanOrEqual(rows);
        }
      }),
    );
  });
});
