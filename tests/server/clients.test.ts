import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, jsonSchema, Output, streamText, tool } from "ai";
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEY, type Served, served, until } from "./served.ts";

let server: Served;
let openai: OpenAI;
let expected: string;
beforeAll(async () => {
  server = await served();
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
  const { choices } = await server.model.chat.completions.create({ messages, temperature: 0, max_tokens: 12 });
  expected = choices[0]!.message.content!;
});
afterAll(() => server.stop());

const model = "tandem";
const messages = [{ role: "user" as const, content: "What is nginx?" }];
const long = [{ role: "user" as const, content: "word ".repeat(600) }];
const properties = { city: { type: "string", maxLength: 8 }, days: { type: "integer", minimum: 1, maximum: 9 } } as const;
const schema = { type: "object" as const, properties, required: ["city", "days"], additionalProperties: false };
const idle = () => until(async () => (await server.metric("tandem_sequences_active")) === 0);

function expectArguments(given: unknown): void {
  expect(given).toEqual({ city: expect.any(String), days: expect.any(Number) });
}

describe("the openai client", () => {
  it("answers", async () => {
    const { choices, usage } = await openai.chat.completions.create({ model, messages, temperature: 0, max_tokens: 12 });
    expect(choices[0]).toMatchObject({ message: { role: "assistant", content: expected }, finish_reason: "length" });
    expect(usage!.completion_tokens).toBe(12);
  });

  it("streams", async () => {
    const asked = { model, messages, temperature: 0, max_tokens: 12, stream: true, stream_options: { include_usage: true } } as const;
    let [text, tokens] = ["", 0];
    for await (const chunk of await openai.chat.completions.create(asked)) {
      text += chunk.choices[0]?.delta.content ?? "";
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    expect([text, tokens]).toEqual([expected, 12]);
  });

  it("calls tools, streamed too", async () => {
    const tools = [{ type: "function" as const, function: { name: "weather", parameters: schema } }];
    const asked = { model, messages, tools, tool_choice: "required", seed: 3, max_tokens: 90, parallel_tool_calls: false } as const;
    const { choices } = await openai.chat.completions.create(asked);
    const call = choices[0]!.message.tool_calls![0]!;
    expect(choices[0]!.finish_reason).toBe("tool_calls");
    expectArguments(JSON.parse(call.type === "function" ? call.function.arguments : ""));
    const final = await openai.chat.completions.stream(asked).finalChatCompletion();
    expect(final.choices[0]!.message.tool_calls![0]).toMatchObject({ function: call.type === "function" ? call.function : {} });
  });

  it("holds answers to a JSON schema", async () => {
    const response_format = { type: "json_schema", json_schema: { name: "trip", schema, strict: true } } as const;
    const { choices } = await openai.chat.completions.create({ model, messages, response_format, seed: 1, max_tokens: 90 });
    expectArguments(JSON.parse(choices[0]!.message.content!));
  });

  it("aborts", async () => {
    const before = await server.metric('tandem_generations_total{outcome="cancelled"}');
    const stream = await openai.chat.completions.create({ model, messages, stream: true, logit_bias: { 0: -100 }, seed: 2 });
    for await (const _ of stream) break;
    await idle();
    const controller = new AbortController();
    const whole = openai.chat.completions.create({ model, messages, n: 4, seed: 2 }, { signal: controller.signal });
    await until(async () => (await server.metric("tandem_sequences_active")) > 0);
    controller.abort();
    await expect(whole).rejects.toThrow(APIUserAbortError);
    await idle();
    expect(await server.metric("tandem_http_requests_in_flight")).toBe(0);
    expect(await server.metric('tandem_generations_total{outcome="cancelled"}')).toBeGreaterThan(before);
  });

  it("reads errors", async () => {
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(AuthenticationError);
    const tooLong = openai.chat.completions.create({ model, messages: long });
    await expect(tooLong).rejects.toThrow(BadRequestError);
    await expect(tooLong).rejects.toMatchObject({ status: 400, code: "context_length_exceeded", type: "invalid_request_error" });
    await expect(openai.chat.completions.create({ model, messages, temperature: -1 })).rejects.toMatchObject({ param: "temperature" });
  });

  it("completes, embeds and lists models", async () => {
    const { choices } = await openai.completions.create({ model, prompt: "Once", max_tokens: 3, temperature: 0 });
    expect(choices[0]!.text).not.toBe("");
    // The client asks for base64 and decodes it.
    const { data } = await openai.embeddings.create({ model, input: ["a cat", "a cat"] });
    const ours = await server.model.embeddings.create({ input: "a cat" });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([256, 256]);
    data[0]!.embedding.forEach((value, i) => void expect(value).toBeCloseTo(ours.data[0]!.embedding[i]!, 5));
    const [listed] = (await openai.models.list()).data;
    expect(listed!.id).toBe(server.model.name);
    expect((await openai.models.retrieve(listed!.id)).id).toBe(server.model.name);
  });
});

describe("the ai SDK", () => {
  const chat = () =>
    createOpenAICompatible({ name: "tandem", baseURL: `${server.url}/v1`, apiKey: KEY, supportsStructuredOutputs: true }).chatModel(model);
  const prompt = messages[0]!.content;

  it("answers", async () => {
    const { text, usage } = await generateText({ model: chat(), prompt, temperature: 0, maxOutputTokens: 12 });
    expect(text).toBe(expected);
    expect(usage.outputTokens).toBe(12);
  });

  it("streams", async () => {
    let text = "";
    for await (const part of streamText({ model: chat(), prompt, temperature: 0, maxOutputTokens: 12 }).textStream) text += part;
    expect(text).toBe(expected);
  });

  it("calls tools", async () => {
    const tools = { weather: tool({ inputSchema: jsonSchema(schema) }) };
    const providerOptions = { tandem: { parallel_tool_calls: false } };
    const options = { model: chat(), prompt, tools, toolChoice: "required", seed: 3, maxOutputTokens: 90, providerOptions } as const;
    const { toolCalls, finishReason } = await generateText(options);
    expect(finishReason).toBe("tool-calls");
    expectArguments(toolCalls[0]!.input);
  });

  it("holds answers to a JSON schema", async () => {
    const output = Output.object({ schema: jsonSchema(schema) });
    const result = await generateText({ model: chat(), prompt, output, seed: 1, maxOutputTokens: 90 });
    expectArguments(result.output);
  });

  it("aborts", async () => {
    const controller = new AbortController();
    const { textStream } = streamText({ model: chat(), prompt, seed: 2, abortSignal: controller.signal });
    for await (const _ of textStream) controller.abort();
    await idle();
  });

  it("reads errors", async () => {
    const failed = generateText({ model: chat(), messages: long, maxRetries: 0 });
    await expect(failed).rejects.toThrow(APICallError);
    await expect(failed).rejects.toMatchObject({ statusCode: 400, message: expect.stringContaining("the context holds 512") });
  });
});
