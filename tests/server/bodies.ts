import fc from "fast-check";

const anything = fc.jsonValue({ maxDepth: 4 });
/** Values near what parameters take: right, at the border, of the wrong kind. */
const value = fc.oneof(
  anything,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1, 2, 0.5, 1e308, -1e308, 2 ** 53, "", "a", [], {}, [[]], [0], ["a"], [null]),
  fc.constantFrom<unknown>(
    "none",
    "auto",
    "required",
    { type: "text" },
    { type: "json_object" },
    { "0": 1 },
    { x: 1 },
    { __proto__: null },
  ),
);
/** Mostly as it should be. */
const near = <T>(right: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 24, arbitrary: right as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: value });
const text = near(fc.string({ maxLength: 12 }));
const part = fc.record({ type: near(fc.constantFrom("text", "text", "text", "image_url")), text });
const content = near(fc.oneof(text, fc.array(part, { maxLength: 3 })));
const givenCall = fc.record({ name: text, arguments: near(fc.json({ maxDepth: 2 })) });
const call = near(fc.record({ id: text, type: near(fc.constant("function")), function: near(givenCall) }));
const message = near(
  fc.oneof(
    fc.record({ role: near(fc.constantFrom("system", "developer", "user")), content }),
    fc.record(
      {
        role: fc.constant("assistant"),
        content,
        tool_calls: near(fc.array(call, { maxLength: 2 })),
        reasoning_content: text,
        refusal: text,
      },
      { requiredKeys: ["role"] },
    ),
    fc.record({ role: fc.constant("tool"), content, tool_call_id: text }),
  ),
);
const schema = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    near(fc.record({ type: near(fc.constantFrom("string", "integer", "number", "array", "null")) })),
    fc.record(
      {
        ...{ type: fc.constant("object"), properties: fc.dictionary(fc.string(), tie("node"), { maxKeys: 3 }) },
        ...{ required: value, additionalProperties: value },
      },
      { requiredKeys: ["type", "properties"] },
    ),
    fc.record({ anyOf: fc.array(tie("node"), { maxLength: 3 }) }),
    fc.record({ enum: value, const: value, pattern: value, minLength: value, items: tie("node"), $ref: value }, { requiredKeys: [] }),
    anything,
  ),
})).node;
const named = fc.record(
  { name: near(fc.constantFrom("f", "g", "h")), parameters: schema, strict: near(fc.boolean()) },
  { requiredKeys: ["name"] },
);
const tool = near(fc.record({ type: near(fc.constant("function")), function: near(named) }));
const responseFormat = near(
  fc.oneof(
    fc.constantFrom({ type: "text" }, { type: "json_object" }),
    fc.record({ type: fc.constant("json_schema"), json_schema: near(fc.record({ name: text, schema })) }),
  ),
);
const toolChoice = near(
  fc.oneof(
    fc.constantFrom("none", "auto", "required"),
    fc.record({ type: fc.constant("function"), function: near(fc.record({ name: fc.constantFrom("f", "h") })) }),
    fc.record({
      type: fc.constant("allowed_tools"),
      allowed_tools: near(fc.record({ mode: near(fc.constant("auto")), tools: fc.array(tool) })),
    }),
  ),
);
const fraction = near(fc.double({ min: 0, max: 1, noNaN: true }));
const penalty = near(fc.double({ min: -2, max: 2, noNaN: true }));
const small = near(fc.integer({ min: 1, max: 8 }));
const token = near(fc.integer({ min: 0, max: 255 }));
const textOrTokens = near(fc.oneof(fc.string(), fc.array(fc.string()), fc.array(token), fc.array(fc.array(token))));
const common = {
  ...{
    model: text,
    n: small,
    max_tokens: small,
    stop: near(fc.oneof(text, fc.array(text))),
    grammar: near(fc.constant('root ::= "a" | "b"')),
  },
  ...{ stream: near(fc.boolean()), stream_options: near(fc.record({ include_usage: near(fc.boolean()) })) },
  ...{ temperature: fraction, top_p: fraction, top_k: small, min_p: fraction, presence_penalty: penalty, frequency_penalty: penalty },
  ...{
    repetition_penalty: fraction,
    seed: near(fc.integer()),
    logit_bias: near(fc.dictionary(fc.constantFrom("0", "65", "999"), penalty)),
  },
  ...{ user: value, metadata: value, ["__proto__"]: value },
};
const chat = {
  ...common,
  ...{ messages: near(fc.array(message, { minLength: 1, maxLength: 3 })), tools: near(fc.array(tool, { maxLength: 2 })) },
  ...{ tool_choice: toolChoice, response_format: responseFormat, parallel_tool_calls: near(fc.boolean()) },
  ...{
    logprobs: near(fc.boolean()),
    top_logprobs: small,
    max_completion_tokens: small,
    chat_template_kwargs: near(fc.dictionary(fc.string(), value)),
  },
};
const completion = { ...common, prompt: textOrTokens, logprobs: small, echo: near(fc.boolean()), suffix: value, best_of: small };
const embedding = { input: textOrTokens, encoding_format: near(fc.constantFrom("float", "base64")), dimensions: small, pooling: value };

/** Bodies with some of the fields, most often few: each is a chance of being refused. */
function body<T extends Record<string, fc.Arbitrary<unknown>>>(path: string, fields: T, ...required: (keyof T & string)[]) {
  const names = Object.keys(fields).filter((name) => !required.includes(name));
  const chosen = fc.subarray(names, { maxLength: Math.min(5, names.length) });
  const record = chosen.chain((some) => fc.record(Object.fromEntries([...required, ...some].map((name) => [name, fields[name]!]))));
  return fc.tuple(
    fc.constant(path),
    record.map((given) => JSON.stringify(given)),
  );
}

/** A path and the text of a body: near what the path takes, any JSON, or no JSON. */
export const requests: fc.Arbitrary<[string, string]> = fc.oneof(
  { weight: 6, arbitrary: body("/v1/chat/completions", chat, "messages") },
  { weight: 2, arbitrary: body("/v1/completions", completion) },
  { weight: 1, arbitrary: body("/v1/embeddings", embedding, "input") },
  { weight: 1, arbitrary: body("/tokenize", { content: text, add_special: near(fc.boolean()) }, "content") },
  { weight: 1, arbitrary: body("/detokenize", { tokens: near(fc.array(token)) }, "tokens") },
  fc.tuple(fc.constantFrom("/v1/chat/completions", "/v1/completions", "/tokenize"), fc.oneof(fc.json(), fc.string())),
);
