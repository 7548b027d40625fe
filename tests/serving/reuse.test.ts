import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../ts/engine/model.ts";
import { GenerationQueue, type QueueOptions } from "../../ts/serving/queue.ts";
import { tinyModel } from "../models/tiny.ts";
import { embeddedModel, worst } from "../models/trained.ts";
import { type Alone, collect, GREEDY, ids, solo, tokensOf, watched } from "./serve.ts";

let model: Model;
let alone: Alone;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1 });
  alone = { context: await model.createContext({ contextLength: 1024 }), tokenizer: model.tokenizer };
});
afterAll(() => model.dispose());
const open = (options: QueueOptions = {}) => GenerationQueue.create(model, { contextLength: 512, parallel: 1, ...options });

/** A chat whose messages are so many tokens; a template would put a few more before each answer. */
class Chat {
  readonly queue: GenerationQueue;
  tokens: number[];
  borders: number[];
  read = 0;
  constructor(queue: GenerationQueue, tokens: number[] = [], borders: number[] = []) {
    this.queue = queue;
    this.tokens = tokens;
    this.borders = borders;
  }

  /** One more message and its answer. Tells where the reading began. */
  async turn(message: readonly number[], maxTokens: number): Promise<number> {
    this.tokens = [...this.tokens, ...message];
    this.borders = [...this.borders, this.tokens.length];
    const prompt = [...this.tokens, 1, 2, 3];
    const stream = this.queue.generate({ tokens: prompt, borders: this.borders, sampler: GREEDY, maxTokens });
    this.tokens = [...prompt, ...ids(await collect(stream))];
    this.borders = [...this.borders, this.tokens.length];
    this.read += stream.usage.promptTokens - stream.usage.cachedTokens;
    return stream.usage.cachedTokens;
  }
}

/** A handful of the tiny model's checkpoints. */
const BUDGET = 200_000;

describe("prefix reuse", () => {
  it("a chat of 20 turns reads each token once; an edited turn goes on from the checkpoint below it", async () => {
    using queue = await open();
    const chat = new Chat(queue);
    const starts: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      starts.push(chat.tokens.length);
      await chat.turn(tokensOf(8 + (turn % 5), turn), 5);
    }
    expect(chat.read).toBeLessThanOrEqual(chat.tokens.length);
    const tenth = starts[9]!;
    const edited = new Chat(
      queue,
      chat.tokens.slice(0, tenth),
      chat.borders.filter((border) => border <= tenth),
    );
    const cached = await edited.turn(tokensOf(9, 99), 5);
    expect(cached).toBe(tenth);
    expect(edited.tokens.slice(-5)).toEqual((await solo(alone, edited.tokens.slice(0, -5), 5)).tokens);
    // An answer that the template renders otherwise in later turns: back to the border before it.
    const rendered = new Chat(
      queue,
      [...chat.tokens.slice(0, tenth - 8), 5, 6],
      chat.borders.filter((border) => border <= tenth - 8),
    );
    expect(await rendered.turn(tokensOf(9, 98), 1)).toBe(tenth - 8);
  });

  it("logits after reuse equal a fresh read, bit for bit: in a held sequence, from a checkpoint, across chats, from half of a branch", async () => {
    using queue = await open({ parallel: 2 });
    const system = tokensOf(40, 50);
    const ask = async (tokens: readonly number[], borders: readonly number[], cached: number) => {
      const { request, logits } = watched({ tokens, borders, sampler: GREEDY, maxTokens: 3 });
      const stream = queue.generate(request);
      const answer = ids(await collect(stream));
      expect(stream.usage.cachedTokens).toBe(cached);
      const want = await solo(alone, tokens, 3);
      expect(answer).toEqual(want.tokens);
      for (const [i, row] of logits.entries()) expect(worst(row, want.logits[i]!), `token ${i}`).toBe(0);
      return [...tokens, ...answer];
    };
    const first = await ask([...system, ...tokensOf(9, 1)], [40], 0);
    const grown = await ask([...first, ...tokensOf(7, 2)], [40], first.length - 1); // the sequence still holds it
    await ask([...system, ...tokensOf(12, 3)], [40], 40); // another chat: the other sequence, all from the checkpoint
    await ask([...system, ...tokensOf(12, 3).slice(0, 6), ...tokensOf(5, 4)], [46], 40); // cells from the sequence, state from the checkpoint
    await ask([...system, ...tokensOf(12, 3).slice(0, 6), ...tokensOf(5, 5)], [], 46); // a branch within what was one edge
    await ask([...grown, 9], [], grown.length - 1); // both sequences went elsewhere since
  });

  it("random requests over a cache that is too small equal their solo runs", async () => {
    using tiny = await loadModel(await tinyModel({ architecture: "qwen3next", seed: 4 }), { threads: 1 });
    using context = await tiny.createContext({ contextLength: 64 });
    using queue = await GenerationQueue.create(tiny, { parallel: 2, cacheBytes: BUDGET, checkpointEvery: 8, contextLength: 64 });
    let state = 1;
    const random = (most: number) => {
      state = (state * 48271) % 2147483647;
      return state % most;
    };
    const wanted = new Map<string, number[]>();
    const run = async () => {
      const tokens = Array.from({ length: 1 + random(24) }, (_, i) => 100 + (i < 12 ? Math.floor(i / 4) * random(2) : random(3)));
      const [maxTokens, stopAfter] = [1 + random(4), random(5)];
      const got: number[] = [];
      const stream = queue.generate({ tokens, borders: [random(tokens.length + 1)], sampler: GREEDY, maxTokens });
      for await (const { token } of stream) if (got.push(token) === stopAfter) break;
      const key = `${tokens} ${maxTokens}`;
      if (!wanted.has(key)) wanted.set(key, (await solo({ context, tokenizer: tiny.tokenizer }, tokens, maxTokens)).tokens);
      expect(got, key).toEqual(wanted.get(key)!.slice(0, got.length));
      expect(queue.stats.cacheBytes).toBeLessThanOrEqual(BUDGET);
    };
    for (let round = 0; round < 12; round++) await Promise.all([run(), run(), run()]);
    expect(queue.stats).toMatchObject({ active: 0, waiting: 0, failed: 0 });
    expect(queue.stats.cachedTokens).toBeGreaterThan(0);
  });

  it("without a cache only a sequence that stays as it was is continued", async () => {
    using queue = await open({ cacheBytes: 0 });
    const chat = new Chat(queue);
    await chat.turn(tokensOf(10, 1), 4);
    const before = chat.tokens.length;
    expect(await chat.turn(tokensOf(10, 2), 4)).toBe(before - 1);
    expect(await new Chat(queue).turn(tokensOf(10, 1), 4)).toBe(0);
    expect(queue.stats).toMatchObject({ checkpoints: 0, cacheBytes: 0 });
  });
});
