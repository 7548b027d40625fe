import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Sampler, type SamplerOptions } from "../../ts/engine/sampler.ts";
import { Random } from "../../ts/engine/samplers/random.ts";
import { BackendError, InvalidArgumentError } from "../../ts/errors.ts";

/** Every filter off: what remains is softmax and the draw. */
const OFF: SamplerOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1, seed: 1 };
const row = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);
const tokens = (options: SamplerOptions, logits: Float32Array, accepted: number[] = []) =>
  distribution(options, logits, accepted).map(({ token }) => token);

function distribution(options: SamplerOptions, logits: Float32Array, accepted: number[] = []) {
  const sampler = new Sampler({ ...OFF, ...options }, logits.length);
  for (const token of accepted) sampler.accept(token);
  return sampler.probabilities(logits);
}

/** Probabilities by token id, 0 for those that were filtered away. */
function byToken(options: SamplerOptions, logits: Float32Array, accepted: number[] = []): number[] {
  const out = new Array<number>(logits.length).fill(0);
  for (const { token, probability } of distribution(options, logits, accepted)) out[token] = probability;
  return out;
}

describe("from a row's largest logits alone", () => {
  const V = 300;
  const logits = Float32Array.from({ length: V }, (_, token) => Math.fround(Math.sin(7 * token) * 8));
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const best = Int32Array.from(order.slice(0, 64));
  const top = { values: Float32Array.from(best, (token) => logits[token]!), tokens: best };
  const lowered = (count: number, bias: number) => new Map(order.slice(0, count).map((token) => [token, bias]));

  it.each<SamplerOptions>([
    { temperature: 0 },
    { temperature: 0, logitBias: lowered(63, -Infinity) },
    { temperature: 0, logitBias: lowered(20, -0.01) },
    { temperature: 1.2, topK: 40, logitBias: lowered(24, -Infinity) },
    { temperature: 1.2, topK: 20, topP: 0.9, minP: 0, logitBias: lowered(10, -1.5) },
  ])("draws what it draws from all: %j", (options) => {
    const whole = new Sampler({ seed: 5, ...options }, V);
    const part = whole.clone();
    expect(part.topOnly).toBe(true);
    for (let draw = 0; draw < 20; draw++) expect(part.sample(top)).toBe(whole.sample(logits));
  });

  it("does not claim to where more of them could drop out, or one could rise", () => {
    for (const logitBias of [lowered(64, -1), { 3: 0.5 }]) expect(new Sampler({ temperature: 0, logitBias }, V).topOnly).toBe(false);
  });
});

describe("each filter, by hand", () => {
  const logits = row(0.1, 0.4, 0.05, 0.3, 0.15);

  it("softmax alone gives back the probabilities, the likeliest first", () => {
    const all = distribution({}, logits);
    expect(all.map(({ token }) => token)).toEqual([1, 3, 4, 0, 2]);
    all.forEach(({ probability }, i) => {
      expect(probability).toBeCloseTo([0.4, 0.3, 0.15, 0.1, 0.05][i]!, 6);
    });
  });

  it("top-k keeps the k likeliest, the lower id of equals", () => {
    expect(tokens({ topK: 2 }, logits)).toEqual([1, 3]);
    expect(tokens({ topK: 1 }, logits)).toEqual([1]);
    expect(tokens({ topK: 99 }, logits)).toEqual([1, 3, 4, 0, 2]);
    expect(tokens({ topK: -1 }, logits)).toHaveLength(5);
    expect(tokens({ topK: 2 }, Float32Array.of(0, 1, 1, 1))).toEqual([1, 2]);
  });

  it("top-p keeps the likeliest up to p, the crossing one included", () => {
    expect(tokens({ topP: 0.5 }, logits)).toEqual([1, 3]);
    expect(tokens({ topP: 0.39 }, logits)).toEqual([1]);
    expect(tokens({ topP: 0.86 }, logits)).toEqual([1, 3, 4, 0]);
    expect(tokens({ topP: 0 }, logits)).toEqual([1]);
    // Among the two that top-k leaves, 0.4 is 4/7.
    expect(tokens({ topK: 2, topP: 0.57 }, logits)).toEqual([1]);
    expect(tokens({ topK: 2, topP: 0.58 }, logits)).toEqual([1, 3]);
  });

  it("min-p keeps those at least p times as likely as the likeliest", () => {
    expect(tokens({ minP: 0.3 }, logits)).toEqual([1, 3, 4]);
    expect(tokens({ minP: 1 }, logits)).toEqual([1]);
    expect(tokens({ minP: 1 }, Float32Array.of(2, 0, 2))).toEqual([0, 2]);
  });

  it("typical-p keeps those whose surprise is closest to the entropy", () => {
    // Entropy 1.3923; surprises 2.30, 0.92, 3.00, 1.20, 1.90: distances 0.91, 0.48, 1.60, 0.19, 0.50, so 3, 1, 4, 0, 2.
    expect(tokens({ typicalP: 0.29 }, logits)).toEqual([3]);
    expect(tokens({ typicalP: 0.5 }, logits)).toEqual([1, 3]);
    expect(tokens({ typicalP: 0.75 }, logits)).toEqual([1, 3, 4]);
    expect(tokens({ typicalP: 0 }, logits)).toEqual([3]);
  });

  it("temperature divides the logits after the filters", () => {
    const [a, b] = byToken({ temperature: 0.5 }, row(0.75, 0.25));
    expect(a).toBeCloseTo(0.9, 6);
    expect(b).toBeCloseTo(0.1, 6);
    // At 0.5 the likeliest alone would reach 0.8; filters come first and see 0.75.
    expect(tokens({ temperature: 0.5, topP: 0.8 }, row(0.75, 0.25))).toEqual([0, 1]);
  });

  it("temperature 0 or less takes the likeliest, the lowest id of equals", () => {
    for (const temperature of [0, -1])
      expect(distribution({ temperature }, Float32Array.of(1, 3, 3))).toEqual([{ token: 1, probability: 1 }]);
    expect(new Sampler({ temperature: 0, typicalP: 0.1 }, 3).sample(row(0.6, 0.3, 0.1))).toBe(0);
  });

  it("logit bias adds, bans and forces", () => {
    const even = new Float32Array(3);
    expect(byToken({ logitBias: { 1: Math.log(2) } }, even)[1]).toBeCloseTo(0.5, 6);
    expect(tokens({ logitBias: new Map([[0, -Infinity]]) }, even)).toEqual([1, 2]);
    expect(byToken({ logitBias: { 2: Infinity, 0: Infinity } }, even)).toEqual([0.5, 0, 0.5]);
    expect(byToken({ logitBias: { 2: Infinity }, minP: 0.1, topP: 0.9, typicalP: 0.9 }, even)).toEqual([0, 0, 1]);
    expect(tokens({ logitBias: { 0: -Infinity } }, Float32Array.of(Infinity, 0))).toEqual([1]);
    expect(tokens({ temperature: 0, logitBias: { 2: 5 } }, even)).toEqual([2]);
  });

  it("has llama.cpp's defaults", () => {
    const logits = Float32Array.from({ length: 100 }, (_, i) => -i / 100);
    const plain = new Sampler({}, 100).probabilities(logits);
    const named = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, typicalP: 1, repeatPenalty: 1, repeatLastN: 64 };
    expect(plain).toEqual(new Sampler(named, 100).probabilities(logits));
    expect(plain.length).toBeLessThan(40);
  });
});

describe("penalties", () => {
  it("repeat: divides positive logits, multiplies negative ones", () => {
    const sampler = new Sampler({ ...OFF, repeatPenalty: 2 }, 3);
    sampler.accept(0);
    sampler.accept(1);
    const found = new Map(sampler.probabilities(Float32Array.of(2, -2, 0)).map((p) => [p.token, p.probability]));
    const total = Math.exp(1) + Math.exp(-4) + 1;
    expect(found.get(0)).toBeCloseTo(Math.exp(1) / total, 6);
    expect(found.get(1)).toBeCloseTo(Math.exp(-4) / total, 6);
  });

  it("agrees with the plain formula for any history, window and logits", () => {
    const V = 12;
    const history = fc.array(fc.integer({ min: 0, max: V - 1 }), { maxLength: 40 });
    const logit = fc.float({ min: -10, max: 10, noNaN: true });
    const amounts = fc.record({
      repeatPenalty: fc.double({ min: 0.5, max: 2, noNaN: true }),
      presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
      frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
      repeatLastN: fc.integer({ min: -1, max: 20 }),
    });
    fc.assert(
      fc.property(history, fc.array(logit, { minLength: V, maxLength: V }), amounts, (accepted, values, options) => {
        const { repeatPenalty, presencePenalty, frequencyPenalty, repeatLastN } = options;
        const window = repeatLastN < 0 ? accepted : repeatLastN === 0 ? [] : accepted.slice(-repeatLastN);
        const penalised = values.map((value, token) => {
          const count = window.filter((other) => other === token).length;
          if (count === 0) return value;
          const repeated = value > 0 ? value / repeatPenalty : value * repeatPenalty;
          return repeated - presencePenalty - count * frequencyPenalty;
        });
        const total = penalised.reduce((sum, value) => sum + Math.exp(value), 0);
        const found = byToken(options, Float32Array.from(values), accepted);
        penalised.forEach((value, token) => {
          expect(found[token]).toBeCloseTo(Math.exp(value) / total, 4);
        });
      }),
      { numRuns: 200, seed: 6 },
    );
  });

  it("forgets on reset, and counts nothing that was not accepted", () => {
    const sampler = new Sampler({ ...OFF, temperature: 0, presencePenalty: 10 }, 2);
    const logits = Float32Array.of(1, 0);
    expect([sampler.sample(logits), sampler.sample(logits)]).toEqual([0, 0]);
    sampler.accept(0);
    expect(sampler.sample(logits)).toBe(1);
    sampler.reset();
    expect(sampler.sample(logits)).toBe(0);
  });
});

describe("draws", () => {
  it("xoshiro128** follows its definition", () => {
    const random = Random.fromState([1, 2, 3, 4]);
    expect([random.next32(), random.next32(), random.next32(), random.next32()]).toEqual([11520, 0, 5927040, 70819200]);
    const uniform = new Random(7);
    for (let i = 0; i < 1000; i++) {
      const value = uniform.next();
      expect(value >= 0 && value < 1).toBe(true);
    }
  });

  it("follow the probabilities (chi-square)", () => {
    const probabilities = [0.05, 0.3, 0.02, 0.13, 0.5];
    const sampler = new Sampler({ ...OFF, seed: 2024 }, probabilities.length);
    const logits = row(...probabilities);
    const counts = probabilities.map(() => 0);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[sampler.sample(logits)]!++;
    const chi = counts.reduce((sum, count, i) => sum + (count - draws * probabilities[i]!) ** 2 / (draws * probabilities[i]!), 0);
    // 4 degrees of freedom: 13.28 is exceeded once in a hundred seeds.
    expect(chi).toBeLessThan(13.28);
  });

  it("are the same for the same seed, others for another", () => {
    const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const draw = (sampler: Sampler) => Array.from({ length: 30 }, () => sampler.sample(logits));
    const first = new Sampler({ ...OFF, seed: 5 }, 50);
    const drawn = draw(first);
    expect(draw(new Sampler({ ...OFF, seed: 5 }, 50))).toEqual(drawn);
    expect(draw(new Sampler({ ...OFF, seed: 6 }, 50))).not.toEqual(drawn);
    first.reset();
    expect(draw(first)).toEqual(drawn);
    // Fixed, so that a change of generator or order of drawing does not go unseen.
    expect(drawn.slice(0, 8)).toEqual([8, 28, 36, 0, 9, 13, 33, 14]);
  });

  it("tell a random seed, with which they can be repeated", () => {
    const logits = new Float32Array(1000);
    const sampler = new Sampler({ ...OFF, seed: undefined }, 1000);
    const again = new Sampler({ ...OFF, seed: sampler.seed }, 1000);
    const draw = (one: Sampler) => Array.from({ length: 10 }, () => one.sample(logits));
    expect(draw(sampler)).toEqual(draw(again));
    expect(new Sampler({}, 2).seed).not.toBe(new Sampler({}, 2).seed);
  });

  it("go on alike and apart in a clone", () => {
    const logits = new Float32Array(1000);
    const sampler = new Sampler({ ...OFF, presencePenalty: 1, repeatLastN: 2 }, 1000);
    for (let i = 0; i < 5; i++) sampler.accept(sampler.sample(logits));
    const copy = sampler.clone();
    expect(copy.probabilities(logits)).toEqual(sampler.probabilities(logits));
    const drawn = Array.from({ length: 5 }, () => sampler.sample(logits));
    sampler.accept(3);
    expect(Array.from({ length: 5 }, () => copy.sample(logits))).toEqual(drawn);
  });

  it("never give a token that the filters took away, and leave the logits as they were", () => {
    const options = fc.record({
      temperature: fc.double({ min: 0.05, max: 3, noNaN: true }),
      topK: fc.integer({ min: 0, max: 20 }),
      topP: fc.double({ min: 0, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
      typicalP: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
    });
    const logit = fc.oneof({ weight: 5, arbitrary: fc.float({ min: -30, max: 30, noNaN: true }) }, fc.constant(-Infinity));
    fc.assert(
      fc.property(options, fc.array(logit, { minLength: 1, maxLength: 30 }), (given, values) => {
        fc.pre(values.some((value) => value > -Infinity));
        const logits = Float32Array.from(values);
        const before = logits.slice();
        const sampler = new Sampler(given, logits.length);
        const left = sampler.probabilities(logits);
        expect(left.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9);
        for (let i = 1; i < left.length; i++) expect(left[i]!.probability).toBeLessThanOrEqual(left[i - 1]!.probability);
        for (const { token } of left) expect(logits[token]).toBeGreaterThan(-Infinity);
        const drawn = sampler.sample(logits);
        expect(left.find(({ token }) => token === drawn)?.probability).toBeGreaterThan(0);
        expect(logits).toEqual(before);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it("select and cut like a full sort does", () => {
    const values = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 2000, size: "max" });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 400 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, k, p) => {
        const logits = Float32Array.from(list, (value) => value / 10);
        const order = list.map((_, token) => token).sort((a, b) => logits[b]! - logits[a]! || a - b);
        expect(tokens({ topK: k }, logits)).toEqual(order.slice(0, k));
        const weights = order.map((token) => Math.exp(logits[token]! - logits[order[0]!]!));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        let count = 0;
        for (let sum = 0; count < order.length && sum < p * total - 1e-9; count++) sum += weights[count]!;
        expect(Math.abs(tokens({ topP: p }, logits).length - count)).toBeLessThanOrEqual(1);
        expect(tokens({ topP: p }, logits)).toEqual(order.slice(0, tokens({ topP: p }, logits).length));
      }),
      { numRuns: 60, seed: 8 },
    );
  });
});

describe("edges", () => {
  it("takes the one token that is not masked, whatever the filters", () => {
    const logits = new Float32Array(8).fill(-Infinity);
    logits[5] = -1e30;
    for (const options of [{}, OFF, { topK: 1 }, { topP: 0 }, { minP: 1 }, { typicalP: 0.5 }, { temperature: 0 }]) {
      expect(new Sampler(options, 8).sample(logits)).toBe(5);
    }
  });

  it("names the token whose logit is NaN, and a vocabulary that is masked whole", () => {
    const sampler = new Sampler({}, 4);
    expect(() => sampler.sample(Float32Array.of(0, 1, Number.NaN, 2))).toThrow(BackendError);
    expect(() => sampler.sample(Float32Array.of(0, 1, Number.NaN, 2))).toThrow("logits hold NaN at token 2: ");
    expect(() => sampler.sample(new Float32Array(4).fill(-Infinity))).toThrow("logits are -Infinity for every token");
    expect(() => sampler.sample(new Float32Array(5))).toThrow("logits must be one row of 4, got 5 values");
    expect(() => sampler.accept(4)).toThrow("token must be an integer from 0 to 3, got 4");
  });

  it.each<[SamplerOptions, string]>([
    [{ temperature: Number.NaN }, "temperature must be a finite number (0 for the likeliest token), got NaN"],
    [{ topK: 1.5 }, "topK must be an integer (0 keeps all tokens), got 1.5"],
    [{ topP: 1.1 }, "topP must be a number from 0 to 1, got 1.1"],
    [{ minP: -0.1 }, "minP must be a number from 0 to 1, got -0.1"],
    [{ typicalP: 2 }, "typicalP must be a number from 0 to 1, got 2"],
    [{ repeatPenalty: 0 }, "repeatPenalty must be a finite number above 0 (1 is off), got 0"],
    [{ repeatLastN: -2 }, "repeatLastN must be an integer of at least -1, got -2"],
    [{ presencePenalty: Infinity }, "presencePenalty must be a finite number, got Infinity"],
    [{ frequencyPenalty: Number.NaN }, "frequencyPenalty must be a finite number, got NaN"],
    [{ seed: -1 }, "seed must be an integer from 0 to 4294967295, got -1"],
    [{ logitBias: { 8: 1 } }, "logitBias must be a mapping of token ids from 0 to 7, got the id 8"],
    [{ logitBias: { 1: Number.NaN } }, "logitBias[1] must be a number, -Infinity or Infinity, got NaN"],
    [{ topP: "0.9" as unknown as number }, "topP must be a number from 0 to 1, got 0.9"],
  ])("%j is refused by name", (options, message) => {
    expect(() => new Sampler(options, 8)).toThrow(InvalidArgumentError);
    expect(() => new Sampler(options, 8)).toThrow(message);
  });

  it("refuses a vocabulary of nothing", () => {
    expect(() => new Sampler({}, 0)).toThrow("vocabularySize must be an integer above 0, got 0");
  });

  it("draws from 248,320 tokens, with or without top-k", () => {
    const V = 248_320;
    const random = new Random(3);
    const logits = Float32Array.from({ length: V }, () => 12 * (random.next() + random.next() + random.next()) - 18);
    const falling = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
    const drawn = (options: SamplerOptions) => {
      const sampler = new Sampler(options, V);
      return Array.from({ length: 5 }, () => sampler.sample(logits));
    };
    expect(drawn({ temperature: 0 })).toEqual(Array.from({ length: 5 }, () => falling[0]));
    const best = new Set(falling.slice(0, 40));
    expect(drawn({ seed: 1, topK: 40 }).filter((token) => !best.has(token))).toEqual([]);
    for (const options of [
      { seed: 1, topK: 0, minP: 0, topP: 1 },
      { seed: 1, topK: 0, typicalP: 0.9 },
    ]) {
      expect(new Set(drawn(options)).size, JSON.stringify(options)).toBeGreaterThan(1);
    }
  });
});
