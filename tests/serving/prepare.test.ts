import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { DisposedError } from "../../ts/errors.ts";
import { embeddedModel } from "../models/trained.ts";
import { type Alone, collect, GREEDY, ids, queuesOf, solo, tokensOf } from "./serve.ts";

let model: Model;
let alone: Alone;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1 });
  alone = { context: await model.createContext({ contextLength: 256 }), tokenizer: model.tokenizer };
});
afterAll(() => model.dispose());
const open = queuesOf(() => model);

/** A promise that the test settles. */
function gate(): { readonly opened: Promise<void>; open(): void; fail(reason: unknown): void } {
  let [open, fail]: [() => void, (reason: unknown) => void] = [() => {}, () => {}];
  const opened = new Promise<void>((resolve, reject) => {
    [open, fail] = [resolve, reject];
  });
  return { opened, open, fail };
}
const PROMPT = tokensOf(15, 2);

describe("a request that prepares", () => {
  it("is asked at its start and after each token but the last, and draws what it would have", async () => {
    const queue = await open({ parallel: 2 });
    const lengths: number[] = [];
    const prepare = (generated: readonly number[]) => {
      lengths.push(generated.length);
      return generated.length % 2 === 0 ? new Promise<void>((resolve) => setTimeout(resolve, 2)) : undefined;
    };
    const both = [PROMPT, tokensOf(9, 1)].map((tokens) => collect(queue.generate({ tokens, sampler: GREEDY, maxTokens: 5, prepare })));
    const [held, other] = await Promise.all(both);
    expect(ids(held!)).toEqual((await solo(alone, PROMPT, 5)).tokens);
    expect(ids(other!)).toEqual((await solo(alone, tokensOf(9, 1), 5)).tokens);
    expect(lengths.sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
  });

  it("keeps no other waiting, be that one running or yet to come", async () => {
    const queue = await open({ parallel: 2 });
    const { opened, open: release } = gate();
    const held = queue.generate({
      tokens: PROMPT,
      sampler: GREEDY,
      maxTokens: 4,
      prepare: ({ length }) => (length === 2 ? opened : undefined),
    });
    const first = [await held.next(), await held.next()].map(({ value }) => value!);
    const running = await collect(queue.generate({ tokens: tokensOf(9, 1), sampler: GREEDY, maxTokens: 8 }));
    await new Promise((resolve) => setTimeout(resolve, 5)); // by now the queue has nothing to do
    const later = await collect(queue.generate({ tokens: PROMPT, sampler: GREEDY, maxTokens: 3 }));
    expect(ids(running)).toEqual((await solo(alone, tokensOf(9, 1), 8)).tokens);
    expect(ids(later)).toEqual((await solo(alone, PROMPT, 3)).tokens);
    expect(queue.stats).toMatchObject({ active: 1, finished: 2 });
    release();
    expect(ids([...first, ...(await collect(held))])).toEqual((await solo(alone, PROMPT, 4)).tokens);
  });

  it("ends alone when that fails, at once when it is aborted, and with the queue", async () => {
    const queue = await open({ parallel: 3 });
    const { opened, fail } = gate();
    const [never, abort] = [new Promise<void>(() => {}), new AbortController()];
    const generate = (prepare: () => Promise<void>, signal?: AbortSignal) =>
      collect(queue.generate({ tokens: PROMPT, sampler: GREEDY, prepare, signal }));
    const failed = generate(() => opened);
    const aborted = generate(() => never, abort.signal);
    const disposed = generate(() => never);
    await expect.poll(() => queue.stats.active).toBe(3);
    fail(new Error("no mask"));
    await expect(failed).rejects.toThrow("no mask");
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    expect(queue.stats).toMatchObject({ active: 1, failed: 1, cancelled: 1 });
    queue.dispose();
    await expect(disposed).rejects.toThrow(DisposedError);
  });
});
