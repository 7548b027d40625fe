import { describe, expect, it } from "vitest";
import { MessageBuilder } from "../../ts/api/answer.ts";
import { openAiError } from "../../ts/api/api-error.ts";
import { ChatCompletions } from "../../ts/api/chat.ts";
import { Completions } from "../../ts/api/completions.ts";
import type { AssistantMessage, ChatCompletionChunk, ChatCompletionParams, ChatMessageParam, FunctionTool } from "../../ts/api/types.ts";
import { ContextOverflowError, InvalidArgumentError, UnsupportedSchemaError } from "../../ts/errors.ts";
import { ScriptedModel, type TEMPLATES } from "./scripted.ts";

const messages: ChatMessageParam[] = [{ role: "user", content: "hi" }];
const weather: FunctionTool = {
  type: "function",
  function: {
    name: "weather",
    description: "tells the weather",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] },
  },
};
const CALL =
  "<tool_call>\n<function=weather>\n<parameter=city>\nWien\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>";

const chat = (template: keyof typeof TEMPLATES, ...answers: string[]) => {
  const model = new ScriptedModel(template, ...answers);
  return { model, completions: new ChatCompletions(model) };
};
async function ask(template: keyof typeof TEMPLATES, answer: string, params: Partial<ChatCompletionParams> = {}) {
  const { completions } = chat(template, answer);
  const { choices, usage } = await completions.create({ messages, ...params, stream: false });
  return { ...choices[0]!, usage };
}
async function stream(template: keyof typeof TEMPLATES, answer: string, params: Partial<ChatCompletionParams> = {}) {
  const { completions } = chat(template, answer);
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await completions.create({ messages, ...params, stream: true })) chunks.push(chunk);
  return chunks;
}
function joined(chunks: readonly ChatCompletionChunk[]): AssistantMessage {
  const builder = new MessageBuilder();
  for (const { choices } of chunks) for (const { delta } of choices) builder.add(delta);
  return builder.message();
}
const withoutIds = (value: unknown) => JSON.parse(JSON.stringify(value).replace(/call_\w+/g, "call_"));

describe("chat.completions", () => {
  it("answers whole", async () => {
    const { completions, model } = chat("plain", "Grüß dich 😀");
    const { id, created, ...answer } = await completions.create({ messages, model: "mine" });
    expect(answer).toEqual({
      object: "chat.completion",
      model: "mine",
      choices: [
        { index: 0, message: { role: "assistant", content: "Grüß dich 😀", refusal: null }, finish_reason: "stop", logprobs: null },
      ],
      usage: {
        ...{ prompt_tokens: 43, completion_tokens: 17, total_tokens: 60 },
        ...{ prompt_tokens_details: { cached_tokens: 7 }, completion_tokens_details: { reasoning_tokens: 0 } },
      },
    });
    expect(id).toMatch(/^chatcmpl-\w{24}$/);
    expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(60);
    expect(model.prompt).toBe("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  });

  it("streams what it would have answered whole", async () => {
    for (const [template, answer] of [
      ["plain", "Grüß dich 😀"],
      ["thinking", `Let me see.\n</think>\n\nI look.\n${CALL}\n${CALL}`],
      ["json", '<think>hm</think>Now.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Wien"}}\n</tool_call>'],
    ] as const) {
      const tools = template === "plain" ? undefined : [weather];
      const chunks = await stream(template, answer, { tools, stream_options: { include_usage: true } });
      const want = await ask(template, answer, { tools });
      expect(withoutIds(joined(chunks))).toEqual(withoutIds(want.message));
      expect(chunks[0]!.choices[0]!.delta).toEqual({ role: "assistant", content: "" });
      const [last, total] = chunks.slice(-2);
      expect(last!.choices[0]!.finish_reason).toBe(want.finish_reason);
      expect(total).toMatchObject({ choices: [], usage: want.usage });
      expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    }
  });

  it("takes reasoning apart, whether the template opens it or the model", async () => {
    const want = { content: "Yes.", reasoning_content: "hm" };
    expect((await ask("thinking", "hm\n</think>\n\nYes.")).message).toMatchObject(want);
    expect((await ask("plain", "<think>\nhm\n</think>\n\nYes.")).message).toMatchObject(want);
    const off = chat("thinking", "Yes.");
    const answer = await off.completions.create({ messages, chat_template_kwargs: { enable_thinking: false } });
    expect(answer.choices[0]!.message).toEqual({ role: "assistant", content: "Yes.", refusal: null });
    expect(off.model.prompt).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect((await ask("thinking", "hm</think>Y")).usage!.completion_tokens_details).toEqual({ reasoning_tokens: 9 });
  });

  it("reads tool calls, in parallel too", async () => {
    const { message, finish_reason } = await ask("xml", `${CALL}\n${CALL}`, { tools: [weather] });
    expect(finish_reason).toBe("tool_calls");
    expect(message.content).toBeNull();
    const call = { type: "function", function: { name: "weather", arguments: '{"city": "Wien", "days": 2}' } };
    expect(message.tool_calls).toMatchObject([call, call]);
    expect(new Set(message.tool_calls!.map(({ id }) => id)).size).toBe(2);
  });

  it("ends with the first call where parallel_tool_calls is false", async () => {
    const once = { tools: [weather], parallel_tool_calls: false };
    const { message, finish_reason } = await ask("xml", `${CALL}\n${CALL}`, once);
    expect(finish_reason).toBe("tool_calls");
    expect(message.tool_calls).toHaveLength(1);
    expect((await ask("xml", "No call, but text.", once)).message.content).toBe("No call, but text.");
  });

  it("leaves calls alone where no tools were given, and cut ones unfinished", async () => {
    expect((await ask("xml", CALL)).message.content).toBe(CALL);
    expect((await ask("xml", CALL, { tools: [weather], tool_choice: "none" })).message.content).toBe(CALL);
    const cut = await ask("xml", CALL, { tools: [weather], max_tokens: CALL.indexOf("\n</parameter>") });
    expect(cut.finish_reason).toBe("length");
    expect(cut.message.tool_calls).toMatchObject([{ function: { arguments: '{"city": "Wien' } }]);
  });

  it("ends at stop strings, in the answer and not in its reasoning", async () => {
    expect(await ask("plain", "one two three", { stop: "o th" })).toMatchObject({ message: { content: "one tw" }, finish_reason: "stop" });
    expect((await ask("thinking", "a stop b</think>c stop d", { stop: ["stop"] })).message).toMatchObject({
      ...{ reasoning_content: "a stop b", content: "c " },
    });
    expect((await ask("plain", "st", { stop: "stop" })).message.content).toBe("st");
  });

  it("ends at max_completion_tokens, which wins over max_tokens", async () => {
    const { message, finish_reason } = await ask("plain", "abcdef", { max_completion_tokens: 2, max_tokens: 4 });
    expect([message.content, finish_reason]).toEqual(["ab", "length"]);
  });

  it("makes n answers, each with its own seed", async () => {
    const { completions, model } = chat("plain", "a", "bc", "def");
    const { choices } = await completions.create({ messages, n: 3, seed: -1 });
    expect(choices.map(({ message }) => message.content)).toEqual(["a", "bc", "def"]);
    expect(model.requests.map(({ sampler }) => sampler.seed)).toEqual([2 ** 32 - 1, 0, 1]);
    const { completions: streaming } = chat("plain", "a", "bc");
    const texts = ["", ""];
    for await (const { choices } of await streaming.create({ messages, n: 2, stream: true })) {
      for (const { index, delta } of choices) texts[index] += delta.content ?? "";
    }
    expect(texts).toEqual(["a", "bc"]);
  });

  it("tells logprobs", async () => {
    const { logprobs } = await ask("plain", "ü", { logprobs: true, top_logprobs: 1 });
    expect(logprobs!.content!.map(({ bytes, logprob }) => [bytes, logprob])).toEqual([
      [[0xc3], -0.5],
      [[0xbc], -0.5],
    ]);
    expect(logprobs!.content![0]!.top_logprobs[0]!.logprob).toBeCloseTo(-0.5);
    const chunks = await stream("plain", "<thx", { logprobs: true });
    expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toHaveLength(4);
  });

  it("hands the options on", async () => {
    const { completions, model } = chat("plain", "a");
    const penalties = { presence_penalty: 1, frequency_penalty: 2, repetition_penalty: 1.5 };
    await completions.create({ messages, temperature: 0.5, top_p: 0.6, top_k: 7, min_p: 0.1, logit_bias: { "5": -100 }, ...penalties });
    expect(model.requests[0]!.sampler).toEqual({
      ...{ temperature: 0.5, topP: 0.6, topK: 7, minP: 0.1, logitBias: { "5": -100 }, seed: undefined },
      ...{ presencePenalty: 1, frequencyPenalty: 2, repeatPenalty: 1.5 },
    });
  });

  it("tells where messages end in the prompt", async () => {
    const { completions, model } = chat("plain", "a");
    const asked: ChatMessageParam[] = [
      { role: "developer", content: "sys" },
      { role: "user", content: [{ type: "text", text: "ü" }] },
    ];
    await completions.create({ messages: asked });
    const { borders, tokens } = model.requests[0]!;
    expect(borders!.map((border) => model.tokenizer.decode(tokens.slice(0, border), { special: true }))).toEqual([
      "<|im_start|>system\nsys<|im_end|>\n",
      "<|im_start|>system\nsys<|im_end|>\n<|im_start|>user\nü<|im_end|>\n",
    ]);
  });

  it("explains tools to a model whose template cannot, and writes calls and results as text", async () => {
    const { completions, model } = chat("plain", "a");
    const call = { id: "1", type: "function" as const, function: { name: "weather", arguments: '{"city": "Wien"}' } };
    const history: ChatMessageParam[] = [
      { role: "system", content: "Be brief." },
      ...messages,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "1", content: "sunny" },
    ];
    await completions.create({ messages: history, tools: [weather] });
    expect(model.prompt).toMatch(/^<\|im_start\|>system\nBe brief\.\n\n# Tools/);
    expect(model.prompt).toContain('"description":"tells the weather"');
    expect(model.prompt).toContain('assistant\n<tool_call>\n{"name": "weather", "arguments": {"city": "Wien"}}\n</tool_call><|im_end|>');
    expect(model.prompt).toContain("user\n<tool_response>\nsunny\n</tool_response><|im_end|>");
  });

  it("refuses what it cannot do, by name", async () => {
    const bad: [Partial<ChatCompletionParams>, RegExp][] = [
      [{ messages: [] }, /messages/],
      [
        { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
        /messages\[0\]\.content\[0\].*image_url/,
      ],
      [{ messages: [{ role: "function", name: "f", content: "x" }] }, /messages\[0\]\.role/],
      [{ tools: [{ type: "custom", custom: { name: "c" } }] }, /tools\[0\]/],
      [{ tools: [weather, weather] }, /two are named/],
      [{ tool_choice: "required" }, /tool_choice/],
      [{ tools: [weather], tool_choice: { type: "function", function: { name: "x" } } }, /tool_choice: "x"/],
      [{ n: 0 }, /^n must/],
      [{ max_tokens: 0.5 }, /max_tokens/],
      [{ top_logprobs: 2 }, /top_logprobs/],
      [{ temperature: -1 }, /temperature/],
      [{ stop: [""] }, /stop/],
      [{ seed: 1.5 }, /seed/],
      [{ grammar: "root ::= (", response_format: { type: "text" } }, /grammar: xgrammar cannot read it: .*/],
    ];
    for (const [params, message] of bad) {
      const refused = chat("xml", "x").completions.create({ messages, ...params, stream: true });
      const error = await refused.then(() => undefined, (reason: unknown) => reason); // biome-ignore format: one line
      expect(error, JSON.stringify(params)).toBeInstanceOf(InvalidArgumentError);
      expect((error as Error).message).toMatch(message);
      expect(openAiError(error).status).toBe(400);
    }
    const schema = { name: "s", schema: { type: "object", properties: { a: { not: {} } } } };
    const unsupported = ask("xml", "x", { response_format: { type: "json_schema", json_schema: schema } });
    await expect(unsupported).rejects.toMatchObject({ constructor: UnsupportedSchemaError, path: "/properties/a/not" });
    const long = await ask("plain", "x", { messages: [{ role: "user", content: "a".repeat(5000) }] }).catch((reason: unknown) => reason);
    expect(long).toBeInstanceOf(ContextOverflowError);
    expect(openAiError(long).error).toMatchObject({ code: "context_length_exceeded", type: "invalid_request_error" });
    expect(openAiError(new Error("/home/me"))).toMatchObject({ status: 500, error: { message: expect.not.stringContaining("/home") } });
  });

  it("an abort, and leaving the loop, end the work", async () => {
    for (const n of [1, 3]) {
      const { completions, model } = chat("plain", "long ".repeat(100));
      for await (const { choices } of await completions.create({ messages, n, stream: true })) if (choices[0]?.delta.content === "n") break;
      expect(model.open).toBe(0);
      const controller = new AbortController();
      const reason = new Error("enough");
      const reading = async () => {
        for await (const _ of await completions.create({ messages, n, stream: true }, { signal: controller.signal }))
          controller.abort(reason);
      };
      await expect(reading()).rejects.toBe(reason);
      expect(model.open).toBe(0);
      await expect(completions.create({ messages, n }, { signal: controller.signal })).rejects.toBe(reason);
    }
  });
});

describe("completions", () => {
  it("continues text, several prompts and answers, with echo, stop and logprobs", async () => {
    const completions = new Completions(new ScriptedModel("plain", "abc", "def"));
    const { choices, usage } = await completions.create({ prompt: ["x", "yz"], echo: true, stop: "f", logprobs: 1, max_tokens: 5 });
    expect(choices.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([["xabc", "stop"], ["yzde", "stop"]]); // biome-ignore format: a table
    expect(choices[0]!.logprobs).toMatchObject({ tokens: ["a", "b", "c"], token_logprobs: [-0.5, -0.5, -0.5], text_offset: [0, 1, 2] });
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 14 } });
    let text = "";
    for await (const chunk of await completions.create({ prompt: [120], stream: true })) text += chunk.choices[0]!.text;
    expect(text).toBe("def");
    await expect(completions.create({ prompt: [] })).rejects.toThrow(InvalidArgumentError);
    await expect(completions.create({ prompt: [9999] })).rejects.toThrow(/prompt must hold tokens/);
  });
});
