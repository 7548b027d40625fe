import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import type { Model } from "../../ts/api/model.ts";
import type { OpenAiApi } from "../../ts/api/openai-api.ts";
import type { ChatMessageParam } from "../../ts/api/types.ts";
import {
  ContextOverflowError,
  DeviceLostError,
  InvalidArgumentError,
  NetworkError,
  OutOfMemoryError,
  type TandemError,
} from "../../ts/errors.ts";
import { connect } from "../../ts/remote/connect.ts";
import { withFallback } from "../../ts/remote/fallback.ts";
import { remoteError } from "../../ts/remote/remote-error.ts";
import { KEY, type Served, served } from "../server/served.ts";

const messages: ChatMessageParam[] = [{ role: "user", content: "What is nginx?" }];
const long: ChatMessageParam[] = [{ role: "user", content: "word ".repeat(600) }];
const asked = { messages, temperature: 0, max_tokens: 8 } as const;
let server: Served;
let remote: OpenAiApi;
let expected: string;
beforeAll(async () => {
  server = await served();
  remote = connect({ baseURL: `${server.url}/v1/`, apiKey: KEY, model: "there" });
  expected = (await server.model.chat.completions.create(asked)).choices[0]!.message.content!;
});
afterAll(() => server.stop());

async function collect(api: OpenAiApi, options = {}): Promise<string> {
  let text = "";
  for await (const { choices } of await api.chat.completions.create({ ...asked, stream: true }, options))
    text += choices[0]?.delta.content ?? "";
  return text;
}

/** A server that answers as written. */
const answering = (body: string, status = 200) =>
  connect({ baseURL: "http://x/v1", model: "m", fetch: () => Promise.resolve(new Response(body, { status })) });

describe("connect", () => {
  it("is the interface of a model", async () => {
    expectTypeOf<Model>().toExtend<OpenAiApi>();
    expectTypeOf(withFallback).returns.toEqualTypeOf<OpenAiApi>();
    const { choices, model } = await remote.chat.completions.create(asked);
    expect([choices[0]!.message.content, model]).toEqual([expected, "there"]);
    expect(await collect(remote)).toBe(expected);
    const prompt = { prompt: "Once", max_tokens: 3, temperature: 0 };
    const text = async (api: OpenAiApi) => (await api.completions.create(prompt)).choices[0]!.text;
    expect(await text(remote)).toBe(await text(server.model));
    const embedded = async (api: OpenAiApi) => (await api.embeddings.create({ input: "a cat" })).data[0]!.embedding;
    expect(await embedded(remote)).toEqual(await embedded(server.model));
  });

  it("throws a model's errors", async () => {
    await expect(remote.chat.completions.create({ messages: long })).rejects.toThrow(ContextOverflowError);
    await expect(remote.chat.completions.create({ ...asked, temperature: -1, stream: true })).rejects.toThrow(InvalidArgumentError);
    const stranger = connect({ baseURL: `${server.url}/v1`, apiKey: "wrong", model: "m" });
    await expect(stranger.chat.completions.create(asked)).rejects.toMatchObject({ code: "network", status: 401 });
    await expect(connect({ baseURL: "http://127.0.0.1:9/v1", model: "m" }).chat.completions.create(asked)).rejects.toThrow(NetworkError);
    await expect(answering("<html>").chat.completions.create(asked)).rejects.toThrow("something else than JSON");
    expect(() => connect({ baseURL: "nowhere", model: "m" })).toThrow(InvalidArgumentError);
    const codes = [[400, "This model's maximum context length is 4 tokens"], [429, "{}"], [404, ""], [502, "<html>"]] as const; // biome-ignore format: a table
    expect(codes.map(([status, body]) => remoteError("x", status, body).code)).toEqual([
      "context_overflow",
      "queue_full",
      "invalid_argument",
      "network",
    ]);
  });

  it("reads streams in any pieces, and tells of errors and cuts in them", async () => {
    const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\r\n\r\n`;
    const bytes = new TextEncoder().encode(`: hello\n\n${event("Grü")}${event("ße")}data: [DONE]\n\n`);
    const pieces = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const api = connect({ baseURL: "http://x/v1", model: "m", fetch: () => Promise.resolve(new Response(pieces)) });
    expect(await collect(api)).toBe("Grüße");
    await expect(collect(answering(event("a")))).rejects.toThrow("ended in mid-answer");
    await expect(collect(answering(`${event("a")}data: {"error":{"message":"broke","code":500}}\n\n`))).rejects.toThrow("broke");
  });

  it("aborts: before, while waiting, and in a stream", async () => {
    const abort = () => {
      const controller = new AbortController();
      return { signal: controller.signal, now: () => controller.abort(new Error("enough")) };
    };
    const [before, waiting, during] = [abort(), abort(), abort()];
    before.now();
    await expect(collect(remote, before)).rejects.toThrow("enough");
    const answer = remote.chat.completions.create({ messages, n: 4 }, waiting);
    setTimeout(waiting.now, 20);
    await expect(answer).rejects.toThrow("enough");
    const reading = async () => {
      for await (const _ of await remote.chat.completions.create({ messages, stream: true }, during)) during.now();
    };
    await expect(reading()).rejects.toThrow("enough");
  });
});

describe("withFallback", () => {
  /** A model that fails as told; streams fail after so many chunks. */
  const failing = (error: TandemError, chunks = 0): OpenAiApi => {
    const create = async ({ stream }: { stream?: boolean | null }) => {
      if (!stream) throw error;
      return (async function* () {
        for (let i = 0; i < chunks; i++) yield { choices: [{ delta: { content: "x" } }] };
        throw error;
      })();
    };
    return { chat: { completions: { create } }, completions: { create }, embeddings: { create } } as unknown as OpenAiApi;
  };

  it("asks elsewhere what does not fit here, and nothing else", async () => {
    const answer = async (api: OpenAiApi) => (await api.chat.completions.create({ ...asked, model: "here" })).model;
    expect(await answer(withFallback(server.model, remote))).toBe("here");
    for (const error of [new ContextOverflowError("long"), new DeviceLostError("gone")]) {
      expect(await answer(withFallback(failing(error), remote))).toBe("there");
      expect(await collect(withFallback(failing(error), remote))).toBe(expected);
      await expect(collect(withFallback(failing(error, 1), remote))).rejects.toThrow(error);
    }
    await expect(answer(withFallback(failing(new InvalidArgumentError("bad")), remote))).rejects.toThrow("bad");
    expect(await answer(withFallback(failing(new InvalidArgumentError("bad")), remote, () => true))).toBe("there");
    const { data } = await withFallback(failing(new DeviceLostError("gone")), remote).embeddings.create({ input: "a cat" });
    expect(data).toHaveLength(1);
  });

  it("loads once; what was too large stays elsewhere, other failures are tried again", async () => {
    let loads = 0;
    const outcomes = [new NetworkError("offline"), new OutOfMemoryError("too large")];
    const api = withFallback(() => Promise.reject(outcomes[loads++] ?? new Error("again")), remote);
    await expect(api.chat.completions.create(asked)).rejects.toThrow("offline");
    for (let i = 0; i < 2; i++) expect((await api.chat.completions.create(asked)).model).toBe("there");
    expect(loads).toBe(2);
  });
});
