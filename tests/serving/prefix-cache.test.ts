import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CellSpan } from "../../ts/memory/memory.ts";
import { commonLength, PrefixCache } from "../../ts/serving/prefix-cache.ts";

/** Two parts, with 2 and 3 bytes a cell. A cell tells its token and its place, state the whole prefix. */
function cellsOf(tokens: ArrayLike<number>, from: number): CellSpan {
  const list = Array.from(tokens).map((token, place) => [token, place] as const);
  const part = (more: readonly number[]) => Uint8Array.from(list.slice(from).flatMap(([token, place]) => [token, place, ...more]));
  return { from, parts: [part([]), part([7])] };
}
const stateOf = (tokens: ArrayLike<number>) => [Uint8Array.from(tokens), Uint8Array.of(1, 2, 3)];
const STATE_BYTES = (length: number) => length + 3;

function add(cache: PrefixCache, list: readonly number[], logits?: Float32Array): boolean {
  const tokens = Int32Array.from(list);
  return cache.add(tokens, { state: stateOf(tokens), ...(logits && { logits }) }, cellsOf(tokens, cache.covers(tokens).cells));
}

/** What a restored sequence would hold. */
function joined(spans: readonly CellSpan[]): number[][] {
  return [0, 1].map((i) => spans.flatMap(({ parts }) => Array.from(parts[i]!)));
}

const prefixes = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 }), { maxLength: 20 });

describe("the cache of prefixes", () => {
  it("finds the longest prefix that was added, with the cells of all its tokens", () => {
    fc.assert(
      fc.property(prefixes, fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 14 }), (added, wanted) => {
        const cache = new PrefixCache(2 ** 30);
        for (const list of added) expect(add(cache, list)).toBe(true);
        const fitting = added.filter((list) => commonLength(list, wanted) === list.length);
        const length = Math.max(0, ...fitting.map((list) => list.length));
        const found = cache.find(Int32Array.from(wanted));
        expect(found?.length ?? 0).toBe(length);
        if (!found) return;
        expect(found.state).toEqual(stateOf(wanted.slice(0, length)));
        expect(joined(found.spans)).toEqual(cellsOf(wanted.slice(0, length), 0).parts.map((part) => Array.from(part)));
      }),
    );
  });

  it("keeps a token's cells once, and counts what it keeps", () => {
    fc.assert(
      fc.property(prefixes, (added) => {
        const cache = new PrefixCache(2 ** 30);
        for (const list of added) add(cache, list);
        const distinct = new Set(added.map(String));
        const tokens = new Set(added.flatMap((list) => list.map((_, i) => String(list.slice(0, i + 1)))));
        const states = [...distinct].reduce((sum, text) => sum + STATE_BYTES(text.split(",").length), 0);
        expect(cache.size).toBe(distinct.size);
        expect(cache.bytes).toBe(states + tokens.size * (4 + 2 + 3)); // i32 token, a cell of each part
      }),
    );
  });

  it("stays within its budget, what was used last remains, and nothing leaks", () => {
    fc.assert(
      fc.property(prefixes, fc.integer({ min: 0, max: 400 }), (added, budget) => {
        const cache = new PrefixCache(budget);
        for (const list of added) {
          const kept = add(cache, list);
          expect(cache.bytes).toBeLessThanOrEqual(budget);
          expect(cache.find(Int32Array.from(list))?.length === list.length).toBe(kept);
        }
        if (cache.size === 0) expect(cache.bytes).toBe(0);
      }),
    );
  });

  it("drops the checkpoint that was not used for longest", () => {
    const cache = new PrefixCache(3 * (STATE_BYTES(2) + 2 * 9));
    for (const list of [[0, 0], [1, 1], [2, 2]]) add(cache, list); // biome-ignore format: short
    cache.find(Int32Array.of(0, 0));
    add(cache, [3, 3]);
    expect([0, 1, 2, 3].map((token) => cache.find(Int32Array.of(token, token))?.length)).toEqual([2, undefined, 2, 2]);
  });

  it("tells the logits where a prompt ended, also when the checkpoint was there before", () => {
    const cache = new PrefixCache(2 ** 20);
    add(cache, [1, 2]);
    expect(cache.find(Int32Array.of(1, 2))!.logits).toBeUndefined();
    add(cache, [1, 2], Float32Array.of(0.5));
    expect(cache.find(Int32Array.of(1, 2))!.logits).toEqual(Float32Array.of(0.5));
    expect(cache.find(Int32Array.of(1, 2, 3), 1)).toBeUndefined();
  });

  it("takes no checkpoint whose first cells were dropped meanwhile", () => {
    const cache = new PrefixCache(2 ** 20);
    const tokens = Int32Array.of(1, 2, 3, 4);
    expect(cache.add(tokens, { state: stateOf(tokens) }, cellsOf(tokens, 2))).toBe(false);
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });
});
