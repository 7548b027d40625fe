import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { ContextOverflowError, DisposedError, InvalidArgumentError, QueueFullError } from "../../ts/errors.ts";
import { GenerationQueue } from "../../ts/serving/queue.ts";
import type { GenerationRequest } from "../../ts/serving/request.ts";
import { embeddedModel, worst } from "../models/trained.ts";
import { type Alone, collect, GREEDY, ids, queuesOf, solo, tokensOf } from "./serve.ts";

let model: Model;
let alone: Alone;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1 });
  alone = { context: await model.createContext({ contextLength: 1024 }), tokenizer: model.tokenizer };
});
afterAll(() => model.dispose());
const open = queuesOf(() => model);
const idle = { active: 0, waiting: 0 };

describe("several at once", () => {
  it("eight streams over three sequences, begun at different times, each equal their solo runs", async () => {
    const prompts = Array.from({ length: 8 }, (_, i) => tokensOf(5 + 11 * i, i));
    const queue = await open({ parallel: 3, checkpointEvery: 32 });
    let most = 0;
    const streams = prompts.map(async (tokens, i) => {
      for (let pause = 0; pause < i; pause++) await new Promise((resolve) => setTimeout(resolve, 5));
      const answer: number[] = [];
      for await (const { token } of queue.generate({ tokens, sampler: GREEDY, maxTokens: 12 })) {
        answer.push(token);
        most = Math.max(most, queue.stats.active);
      }
      return answer;
    });
    const answers = await Promise.all(streams);
    expect(most).toBe(3);
    for (const [i, prompt] of prompts.entries()) expect(answers[i], `stream ${i}`).toEqual((await solo(alone, prompt, 12)).tokens);
    expect(queue.stats).toMatchObject({ ...idle, finished: 8, cancelled: 0, failed: 0 });
    expect(queue.stats.generatedTokens).toBe(answers.flat().length);
  });

  it("a stream goes on while a long prompt is read beside it", async () => {
    const queue = await open({ parallel: 2, contextLength: 900 });
    const events: string[] = [];
    const first = (async () => {
      for await (const _ of queue.generate({ tokens: tokensOf(8, 1), sampler: GREEDY, maxTokens: 200 })) {
        events.push("token");
        if (events.includes("read")) break;
      }
    })();
    while (events.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    const onPrompt = ({ readTokens }: { readTokens: number }) => void events.push(readTokens === 800 ? "read" : "piece");
    const second = await collect(queue.generate({ tokens: tokensOf(800, 2), sampler: GREEDY, maxTokens: 2, onPrompt }));
    await first;
    const pieces = events.slice(events.indexOf("piece"), events.indexOf("read"));
    expect(pieces.filter((event) => event === "piece").length).toBeGreaterThan(3);
    expect(pieces.join(" ")).not.toContain("piece piece"); // a token of the stream lies between any two pieces
    expect(ids(second)).toEqual((await solo(alone, tokensOf(800, 2), 2)).tokens);
  });

  it("a short prompt does not wait for the end of a long one", async () => {
    const queue = await open({ parallel: 2, contextLength: 700, ubatch: 64 });
    const order: string[] = [];
    const run = async (name: string, tokens: number[]) => {
      await collect(queue.generate({ tokens, sampler: GREEDY, maxTokens: 1 }));
      order.push(name);
    };
    await Promise.all([run("long", tokensOf(600, 1)), run("short", tokensOf(60, 2))]);
    expect(order).toEqual(["short", "long"]);
  });

  it("requests with one system prompt read it once, though they come together, and one prompt asked thrice is read once", async () => {
    const system = tokensOf(100, 9);
    const queue = await open({ parallel: 4 });
    const prompts = [1, 2, 3].map((seed) => [...system, ...tokensOf(10, seed)]);
    const streams = [...prompts, prompts[0]!].map((tokens) => queue.generate({ tokens, borders: [100], sampler: GREEDY, maxTokens: 6 }));
    const answers = await Promise.all(streams.map(collect));
    for (const [i, answer] of answers.entries()) expect(ids(answer)).toEqual((await solo(alone, prompts[i % 3]!, 6)).tokens);
    expect(streams.map(({ usage }) => usage.cachedTokens).sort((a, b) => a - b)).toEqual([0, 100, 100, 100]);
    const again = queue.generate({ tokens: prompts[1]!, sampler: GREEDY, maxTokens: 6 });
    expect(ids(await collect(again))).toEqual(ids(answers[1]!));
    expect(again.usage).toEqual({ promptTokens: 110, cachedTokens: 110, generatedTokens: answers[1]!.length });
  });

  it("samples by seed as the engine alone does", async () => {
    const queue = await open();
    const sampler = { temperature: 1.2, seed: 7 };
    const prompt = tokensOf(20, 3);
    const got = await collect(queue.generate({ tokens: prompt, sampler, maxTokens: 8 }));
    const want: number[] = [];
    for await (const { token } of model.generate(prompt, { ...sampler, maxTokens: 8 })) want.push(token);
    expect(ids(got)).toEqual(want);
  });
});

describe("one request", () => {
  it("ends by its limits, and says how", async () => {
    const queue = await open({ contextLength: 32 });
    const two = await collect(queue.generate({ tokens: tokensOf(10, 1), sampler: GREEDY, maxTokens: 2 }));
    expect(two.map(({ finishReason }) => finishReason)).toEqual([undefined, "length"]);
    const full = await collect(queue.generate({ tokens: tokensOf(30, 1), sampler: GREEDY }));
    expect(full.map(({ finishReason }) => finishReason)).toEqual([undefined, undefined, "length"]); // two cells, and a token that needs none
    const end = Array.from({ length: 8192 }, (_, token) => token).find((token) => model.tokenizer.isEndOfGeneration(token))!;
    const sampler = { ...GREEDY, logitBias: { [end]: Number.POSITIVE_INFINITY } };
    expect(await collect(queue.generate({ tokens: [1, 2], sampler }))).toEqual([
      { token: end, endOfGeneration: true, finishReason: "stop" },
    ]);
    const only = queue.generate({ tokens: tokensOf(20, 6), sampler: GREEDY, maxTokens: 0 });
    expect(await collect(only)).toEqual([]);
    const warm = queue.generate({ tokens: tokensOf(21, 6), sampler: GREEDY, maxTokens: 1 });
    await collect(warm);
    expect(warm.usage.cachedTokens).toBe(20);
  });

  it("reports logprobs of the model's own distribution, whatever adjust leaves of it", async () => {
    const queue = await open();
    const prompt = tokensOf(12, 4);
    const [row] = (await solo(alone, prompt, 1)).logits;
    const total = Math.log(row!.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const byLogit = Array.from(row!.keys()).sort((a, b) => row![b]! - row![a]!);
    const adjust = (logits: Float32Array) => void logits.fill(-Infinity).fill(0, 77, 78);
    const [got] = await collect(queue.generate({ tokens: prompt, sampler: GREEDY, maxTokens: 1, logprobs: true, topLogprobs: 3, adjust }));
    expect(got!.token).toBe(77);
    expect(got!.logprob).toBeCloseTo(row![77]! - total, 4);
    expect(got!.top!.map(({ token }) => token)).toEqual(byLogit.slice(0, 3));
    got!.top!.forEach(({ token, probability }) => void expect(Math.log(probability)).toBeCloseTo(row![token]! - total, 4));
  });

  it("streams that need all logits, a few, or the likeliest go together, each as alone", async () => {
    const queue = await open({ parallel: 4 });
    const wants: Pick<GenerationRequest, "sampler" | "logprobs">[] = [
      { sampler: GREEDY },
      { sampler: GREEDY, logprobs: true },
      { sampler: { ...GREEDY, presencePenalty: 1 } },
      { sampler: { seed: 3, temperature: 1, logitBias: { 7: -2 } } },
    ];
    const run = (want: (typeof wants)[number], i: number) => collect(queue.generate({ tokens: tokensOf(9 + i, i), maxTokens: 8, ...want }));
    const together = await Promise.all(wants.map(run));
    for (const [i, want] of wants.entries()) expect(await run(want, i), `stream ${i}`).toEqual(together[i]);
    expect(together[1]!.every(({ logprob }) => logprob! < 0)).toBe(true);
    expect(together[0]!.map(({ token }) => token)).toEqual((await solo(alone, tokensOf(9, 0), 8)).tokens);
  });

  it("adjust sees the logits and what was generated", async () => {
    const queue = await open();
    const want = await solo(alone, tokensOf(9, 5), 4);
    const seen: number[][] = [];
    const adjust = (logits: Float32Array, generated: readonly number[]) => {
      expect(worst(logits, want.logits[seen.length]!)).toBe(0);
      seen.push([...generated]);
    };
    await collect(queue.generate({ tokens: tokensOf(9, 5), sampler: GREEDY, maxTokens: 4, adjust }));
    expect(seen).toEqual([0, 1, 2, 3].map((count) => want.tokens.slice(0, count)));
  });
});

describe("ending early frees the sequence", () => {
  const forever = { sampler: { temperature: 1, seed: 1 }, tokens: tokensOf(12, 1), maxTokens: 200 };

  it("breaking out, a signal while waiting, reading or generating, and giving up before the first token", async () => {
    const queue = await open({ parallel: 1, contextLength: 1024, ubatch: 16, checkpointEvery: 64 });
    for await (const _ of queue.generate(forever)) break;
    expect(queue.stats).toMatchObject(idle);

    const abort = new AbortController();
    const holder = queue.generate(forever);
    await holder.next();
    const waiting = queue.generate({ ...forever, signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(waiting.next()).rejects.toThrow("enough");
    expect(queue.stats).toMatchObject({ active: 1, waiting: 0 });
    await holder.return();

    const reading = new AbortController();
    const onPrompt = ({ readTokens }: { readTokens: number }) => void (readTokens > 0 && reading.abort(new Error("read enough")));
    const long = queue.generate({ ...forever, tokens: tokensOf(700, 3), signal: reading.signal, onPrompt });
    await expect(long.next()).rejects.toThrow("read enough");

    const running = new AbortController();
    const stream = queue.generate({ ...forever, signal: running.signal });
    await stream.next();
    running.abort(new Error("heard enough"));
    await expect(collect(stream)).rejects.toThrow("heard enough");
    expect(await stream.next()).toEqual({ value: undefined, done: true });

    await queue.generate(forever).return();
    const answer = await collect(queue.generate({ tokens: tokensOf(12, 1), sampler: GREEDY, maxTokens: 5 }));
    expect(ids(answer)).toEqual((await solo(alone, tokensOf(12, 1), 5)).tokens);
    expect(queue.stats).toMatchObject({ ...idle, finished: 1, cancelled: 6, failed: 0 });
  });
});

describe("refusals", () => {
  it("bad requests throw before anything runs, and name what is wrong", async () => {
    const queue = await open({ contextLength: 16 });
    const ask = (more: object) => () => queue.generate({ tokens: [1, 2, 3], sampler: GREEDY, ...more });
    expect(ask({ tokens: [] })).toThrow(InvalidArgumentError);
    expect(ask({ tokens: [1, 8192] })).toThrow("token 1 of the prompt must be 0 to 8191, got 8192");
    expect(ask({ tokens: tokensOf(17, 1) })).toThrow(ContextOverflowError);
    expect(ask({ maxTokens: -1 })).toThrow(InvalidArgumentError);
    expect(ask({ maxTokens: Number.NaN })).toThrow(InvalidArgumentError);
    expect(ask({ borders: [2, 1] })).toThrow("borders must be rising lengths from 0 to 3, got 1 at place 1");
    expect(ask({ borders: [4] })).toThrow(InvalidArgumentError);
    expect(ask({ topLogprobs: 1.5 })).toThrow(InvalidArgumentError);
    expect(ask({ sampler: { topP: 2 } })).toThrow(InvalidArgumentError);
    expect(ask({ signal: AbortSignal.abort(new Error("before")) })).toThrow("before");
    expect(queue.stats).toMatchObject({ ...idle, promptTokens: 0, failed: 0 });
    await expect(open({ parallel: 0 })).rejects.toThrow("parallel must be a whole number of at least 1, got 0");
    await expect(open({ cacheBytes: -1 })).rejects.toThrow(InvalidArgumentError);
  });

  it("no more requests wait than may", async () => {
    const queue = await open({ parallel: 1, maxWaiting: 2 });
    const ask = () => queue.generate({ tokens: [1, 2, 3], sampler: GREEDY, maxTokens: 3 });
    const streams = [ask(), ask(), ask()];
    expect(ask).toThrow(QueueFullError);
    await Promise.all(streams.map(collect));
    expect((await collect(ask())).length).toBe(3);
  });

  it("what one request's callbacks throw ends it alone", async () => {
    const queue = await open({ parallel: 3 });
    const boom = () => {
      throw new Error("boom");
    };
    const ban = (logits: Float32Array) => void logits.fill(-Infinity);
    const prompt = tokensOf(15, 2);
    const [good, ...bad] = await Promise.allSettled([
      collect(queue.generate({ tokens: prompt, sampler: GREEDY, maxTokens: 6 })),
      collect(queue.generate({ tokens: tokensOf(14, 1), sampler: GREEDY, adjust: boom })),
      collect(queue.generate({ tokens: tokensOf(13, 3), sampler: GREEDY, onPrompt: boom })),
      collect(queue.generate({ tokens: tokensOf(13, 4), sampler: GREEDY, adjust: ban })),
    ]);
    expect(good!.status === "fulfilled" && ids(good!.value)).toEqual((await solo(alone, prompt, 6)).tokens);
    expect(bad.map((one) => one.status === "rejected" && String(one.reason))).toEqual([
      "Error: boom",
      "Error: boom",
      expect.stringContaining("-Infinity for every token"),
    ]);
    expect(queue.stats).toMatchObject({ ...idle, finished: 1, failed: 3 });
  });

  it("disposal ends all requests, and a disposed model is told by the next", async () => {
    const queue = await open({ parallel: 1 });
    const streams = [1, 2].map((seed) => queue.generate({ tokens: tokensOf(9, seed), sampler: GREEDY }));
    await streams[0]!.next();
    queue.dispose();
    for (const stream of streams) await expect(collect(stream)).rejects.toThrow(DisposedError);
    expect(() => queue.generate({ tokens: [1], sampler: GREEDY })).toThrow(DisposedError);
    const other = await loadModel(embeddedModel, { threads: 1 });
    const orphan = await GenerationQueue.create(other, { contextLength: 16 });
    other.dispose();
    await expect(collect(orphan.generate({ tokens: [1], sampler: GREEDY }))).rejects.toThrow(DisposedError);
    expect(orphan.stats).toMatchObject({ ...idle, failed: 1 });
  });
});
