import { spawnSync } from "node:child_process";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../ts/api/model.ts";
import type { ChatMessageParam, FunctionTool } from "../../ts/api/types.ts";
import { ContextOverflowError, InvalidArgumentError } from "../../ts/errors.ts";
import { embeddedModel } from "../models/trained.ts";
import { answerSchemas } from "./answer-schemas.ts";

let model: Model;
beforeAll(async () => {
  model = await loadModel(embeddedModel, { threads: 1, queue: { contextLength: 512 } });
});
afterAll(() => model.dispose());

const messages: ChatMessageParam[] = [{ role: "user", content: "What is a test?" }];
const weather: FunctionTool = {
  type: "function",
  function: {
    name: "weather",
    parameters: {
      ...{ type: "object", required: ["city", "days"], additionalProperties: false },
      properties: {
        city: { type: "string", minLength: 1, maxLength: 12 },
        days: { type: "integer", minimum: 1, maximum: 9 },
        units: { enum: ["C", "F"] },
      },
    },
  },
};

describe("a model's API", () => {
  it("answers as generate does, streamed and whole", async () => {
    const prompt = model.tokenize(model.applyChatTemplate({ messages }), { addSpecial: false });
    let want = "";
    for await (const piece of model.generate(prompt, { temperature: 0, maxTokens: 24 })) want += piece.text;
    const { choices, usage } = await model.chat.completions.create({ messages, temperature: 0, max_tokens: 24 });
    expect(choices[0]!.message.content).toBe(want);
    expect(usage).toMatchObject({ prompt_tokens: prompt.length, completion_tokens: 24 });
    let streamed = "";
    for await (const chunk of await model.chat.completions.create({ messages, temperature: 0, max_tokens: 24, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(want);
  });

  it("repeats itself for a seed, and tells logprobs that add up", async () => {
    const ask = () => model.chat.completions.create({ messages, seed: 5, max_tokens: 8, logprobs: true, top_logprobs: 20 });
    const [a, b] = [await ask(), await ask()];
    expect(a.choices[0]!.message).toEqual(b.choices[0]!.message);
    for (const { token, logprob, top_logprobs } of a.choices[0]!.logprobs!.content!) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs.map((top) => top.logprob)).toEqual(top_logprobs.map((top) => top.logprob).sort((x, y) => y - x));
      const sum = top_logprobs.reduce((total, top) => total + Math.exp(top.logprob), 0);
      expect(sum).toBeLessThanOrEqual(1 + 1e-6);
      const listed = top_logprobs.find((top) => top.token === token);
      if (listed) expect(listed.logprob).toBeCloseTo(logprob, 5);
    }
  });

  it("stops in mid-answer, and the next request goes on", async () => {
    const controller = new AbortController();
    const reading = async () => {
      for await (const _ of await model.chat.completions.create({ messages, stream: true }, { signal: controller.signal }))
        controller.abort();
    };
    await expect(reading()).rejects.toThrow(/abort/);
    const long = "word ".repeat(600);
    await expect(model.chat.completions.create({ messages: [{ role: "user", content: long }] })).rejects.toThrow(ContextOverflowError);
    expect((await model.completions.create({ prompt: "Once", max_tokens: 3, temperature: 0 })).usage!.completion_tokens).toBe(3);
  });

  it("calls the tool that it must call, with arguments of its schema", async () => {
    for (const tool_choice of ["required", { type: "function", function: { name: "weather" } }] as const) {
      const { choices } = await model.chat.completions.create({
        messages,
        tools: [weather],
        tool_choice,
        seed: 3,
        max_tokens: 80,
        parallel_tool_calls: false,
      });
      const { message, finish_reason } = choices[0]!;
      expect(finish_reason).toBe("tool_calls");
      expect(message.content).toBeNull();
      expect(message.tool_calls).toHaveLength(1);
      const call = message.tool_calls![0]!;
      expect(call.type === "function" && call.function.name).toBe("weather");
      const given = JSON.parse(call.type === "function" ? call.function.arguments : "");
      expect(given.city.length).toBeGreaterThan(0);
      expect(given.days).toBeGreaterThanOrEqual(1);
      expect(Object.keys(given).every((name) => ["city", "days", "units"].includes(name))).toBe(true);
    }
  });

  it("holds a strict tool's arguments to their schema where the model chooses to call it", async () => {
    const [marker] = model.tokenize("<tool_call>");
    const { choices } = await model.chat.completions.create({
      messages,
      tools: [{ type: "function", function: { ...weather.function, strict: true } }],
      tool_choice: "auto",
      ...{ logit_bias: { [marker!]: 100 }, seed: 5, temperature: 1, max_tokens: 120 },
    });
    // The bias has it call again and again until max_tokens: the last call is cut.
    const whole = choices[0]!.message.tool_calls!.slice(0, -1);
    expect(whole.length).toBeGreaterThan(0);
    const validate = new Ajv2020().compile(weather.function.parameters!);
    for (const call of whole) expect(call.type === "function" && validate(JSON.parse(call.function.arguments))).toBe(true);
  });

  it("streams go on while a schema is compiled, held to another schema or free", async () => {
    const schema = (maxLength: number) => ({ type: "object", properties: { note: { type: "string", maxLength } }, required: ["note"] });
    const ask = (maxLength: number) =>
      model.chat.completions.create({
        ...{ messages, stream: true, max_tokens: 400, logit_bias: { [model.tokenizer.eos!]: -100 } },
        response_format: { type: "json_schema", json_schema: { name: "data", schema: schema(maxLength) } },
      });
    const running = [await ask(300), await model.completions.create({ prompt: "Once", max_tokens: 400, stream: true })];
    const tokens = [0, 0];
    let compiling = true;
    const read = running.map(async (stream, i) => {
      for await (const _ of stream) {
        if (!compiling) break;
        tokens[i]!++;
      }
    });
    await expect.poll(() => Math.min(...tokens), { interval: 1 }).toBeGreaterThan(2);
    tokens.fill(0);
    const slow = await ask(4000);
    compiling = false;
    expect(Math.min(...tokens)).toBeGreaterThan(2);
    for await (const _ of slow) break;
    await Promise.all(read);
  });

  it("a process ends by itself after an answer that was held to a grammar", () => {
    const script = `
      import { loadModel } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
      const model = await loadModel(${JSON.stringify(embeddedModel)}, { threads: 1 });
      const { choices } = await model.completions.create({ prompt: "So:", grammar: 'root ::= "yes" | "no"' });
      console.log(choices[0].text);`;
    const options = { encoding: "utf8", timeout: 30_000 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(["yes", "no"]).toContain(stdout.trim());
  });

  it("answers with JSON, and with what a grammar allows", async () => {
    const grammar = 'root ::= ("yes" | "no") ", " [a-c]{3} "."';
    const free = await model.chat.completions.create({ messages, grammar, seed: 1 });
    expect(free.choices[0]!.message.content).toMatch(/^(yes|no), [a-c]{3}\.$/);
    expect((await model.completions.create({ prompt: "So:", grammar, seed: 2 })).choices[0]!.text).toMatch(/^(yes|no), [a-c]{3}\.$/);
    const json = await model.chat.completions.create({
      messages,
      response_format: { type: "json_object" },
      temperature: 0,
      max_tokens: 200,
    });
    const { message, finish_reason } = json.choices[0]!;
    expect(message.content).toMatch(/^\{/);
    if (finish_reason === "stop") expect(typeof JSON.parse(message.content!)).toBe("object");
  });

  it("8 random JSON schemas: every finished answer parses and validates", async () => {
    const { finished } = await answerSchemas(model, 8, 7);
    expect(finished).toBeGreaterThan(4);
  });

  it("embeds texts: the mean or last hidden state, of length 1", async () => {
    const texts = ["a cat sat on the mat", "numbers: 1 2 3", "a cat sat on the mat"];
    const { data, usage } = await model.embeddings.create({ input: texts });
    expect(data.map(({ index, embedding }) => [index, embedding.length])).toEqual([[0, 256], [1, 256], [2, 256]]); // biome-ignore format: a table
    for (const { embedding } of data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    expect(data[2]!.embedding).toEqual(data[0]!.embedding);
    expect(usage.prompt_tokens).toBe(texts.reduce((sum, text) => sum + model.tokenize(text).length, 0));
    // By hand: a token at a time.
    const tokens = model.tokenize(texts[0]!);
    using context = await model.createContext({ contextLength: 32 });
    const rows: Float32Array[] = [];
    for (const token of tokens) {
      await context.decode({ tokens: [token] });
      rows.push(await context.readHidden());
    }
    const unit = (vector: number[]) => vector.map((value) => value / Math.hypot(...vector));
    const mean = unit(Array.from(rows[0]!, (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0)));
    mean.forEach((value, i) => void expect(data[0]!.embedding[i]).toBeCloseTo(value, 5));
    const last = await model.embeddings.create({ input: tokens, pooling: "last", encoding_format: "base64" });
    const bytes = Uint8Array.from(atob(last.data[0]!.embedding), (character) => character.charCodeAt(0));
    unit([...rows.at(-1)!]).forEach((value, i) => void expect(new DataView(bytes.buffer).getFloat32(4 * i, true)).toBeCloseTo(value, 5));
    await expect(model.embeddings.create({ input: "" })).rejects.toThrow(InvalidArgumentError);
    await expect(model.embeddings.create({ input: "x", dimensions: 8 })).rejects.toThrow(/dimensions/);
  });

  it("tokenizes and back", () => {
    const tokens = model.tokenize("Hello <|im_end|>");
    expect(model.detokenize(tokens)).toBe("Hello ");
    expect(model.detokenize(tokens, { special: true })).toBe("Hello <|im_end|>");
  });
});
