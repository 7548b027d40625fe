import { describe, expect, it } from "vitest";
import { SplitBudgetError } from "../../ts/errors.ts";
import { assign, leastSplits } from "../../ts/schedule/assign.ts";
import { type PlacementProblem, placementCost } from "../../ts/schedule/problem.ts";
import { random } from "../conformance/weights.ts";

/** A graph of up to 12 nodes that read inputs and earlier values, with random pins and costs. */
function randomProblem(next: () => number): PlacementProblem {
  const whole = (n: number) => Math.floor(next() * n);
  const backends = 2 + whole(2);
  const inputs = 1 + whole(2);
  const count = 1 + whole(backends === 2 ? 12 : 9);
  const nodes = Array.from({ length: count }, (_, i) => {
    const pin = next() < 0.3 ? whole(backends) : -1;
    const cost = Array.from({ length: backends }, (_, b) =>
      (pin >= 0 && b !== pin) || next() < 0.08 ? Number.POSITIVE_INFINITY : whole(20),
    );
    const reads = Array.from({ length: 1 + whole(3) }, () => whole(inputs + i)); // a value may be read twice, or never
    return { cost, reads, makes: [inputs + i] };
  });
  const tensors = Array.from({ length: inputs + count }, () => ({ bytes: whole(10) }));
  const switches = Array.from({ length: (backends + 1) * backends }, () => whole(8));
  const moves = Array.from({ length: backends * backends }, () => next() * 3);
  return {
    ...{ backends, nodes, tensors },
    switchCost: (a, b) => switches[(a + 1) * backends + b]!,
    moveCost: (bytes, from, to) => 1 + bytes * moves[from * backends + to]!,
  };
}

/** Every placement there is. */
function* placements(problem: PlacementProblem): Generator<number[]> {
  const { nodes, backends } = problem;
  for (let code = 0; code < backends ** nodes.length; code++) {
    const backendOf = nodes.map((_, i) => Math.floor(code / backends ** i) % backends);
    if (backendOf.every((b, i) => nodes[i]!.cost[b] !== Number.POSITIVE_INFINITY)) yield backendOf;
  }
}

describe("assign", () => {
  it("equals the enumerated optimum on 2,000 random graphs, and throws exactly when nothing fits", () => {
    const next = random(7);
    let refused = 0;
    for (let n = 0; n < 2000; n++) {
      const problem = randomProblem(next);
      const maxSplits = next() < 0.3 ? Number.POSITIVE_INFINITY : 1 + Math.floor(next() * 6);
      let best = Number.POSITIVE_INFINITY;
      let fewest = Number.POSITIVE_INFINITY;
      for (const backendOf of placements(problem)) {
        const { cost, splits } = placementCost(problem, backendOf);
        fewest = Math.min(fewest, splits);
        if (splits <= maxSplits) best = Math.min(best, cost);
      }
      expect(leastSplits(problem)).toBe(fewest);
      if (best === Number.POSITIVE_INFINITY) {
        refused++;
        try {
          assign(problem, maxSplits);
          expect.unreachable(`graph ${n} should not fit ${maxSplits} splits`);
        } catch (error) {
          expect(error).toBeInstanceOf(SplitBudgetError);
          expect((error as SplitBudgetError).needed).toBe(fewest);
          if (Number.isFinite(fewest)) expect((error as SplitBudgetError).message).toContain(`raise maxSplits to ${fewest}`);
        }
        continue;
      }
      const got = assign(problem, maxSplits);
      const check = placementCost(problem, got.backendOf);
      expect(got.cost, `graph ${n}`).toBeCloseTo(best, 9);
      expect(check.cost).toBeCloseTo(best, 9);
      expect(check.splits).toBe(got.splits);
      expect(got.splits).toBeLessThanOrEqual(maxSplits);
    }
    expect(refused).toBeGreaterThan(100);
  }, 120_000);

  it("schedules 5,000 nodes in a few tens of milliseconds", () => {
    // a transformer's shape: a residual stream, pinned matmuls that change backend every 50 nodes, free elementwise nodes between
    const count = 5000;
    const nodes = Array.from({ length: count }, (_, i) => {
      const home = Math.floor(i / 50) % 2;
      const cost = i % 3 === 0 ? [home === 0 ? 5 : Number.POSITIVE_INFINITY, home === 1 ? 5 : Number.POSITIVE_INFINITY] : [2, 1];
      return { cost, reads: [Math.max(0, i - 1), Math.max(0, i - (i % 10))], makes: [i + 1] };
    });
    const tensors = Array.from({ length: count + 1 }, () => ({ bytes: 4096 }));
    const problem: PlacementProblem = { backends: 2, nodes, tensors, switchCost: () => 50, moveCost: (bytes) => 10 + bytes / 1000 };
    for (const budget of [Number.POSITIVE_INFINITY, 110]) assign(problem, budget); // warms up
    const times = [0, 1, 2].map(() => {
      const start = performance.now();
      assign(problem);
      return performance.now() - start;
    });
    console.log(`5,000 nodes: ${Math.min(...times).toFixed(1)} ms`);
    expect(assign(problem, 110).splits).toBeLessThanOrEqual(110);
  });

  it("knows the empty graph, and one that can run nowhere", () => {
    const none: PlacementProblem = { backends: 2, nodes: [], tensors: [], switchCost: () => 1, moveCost: () => 1 };
    expect(assign(none)).toEqual({ backendOf: [], cost: 0, splits: 0 });
    const nowhere = { ...none, nodes: [{ cost: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], reads: [], makes: [] }] };
    expect(() => assign(nowhere)).toThrow(/can run on no backend/);
  });
});
