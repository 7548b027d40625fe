import fc from "fast-check";

const anything = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
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
const content = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.array(fc.oneof(fc.record({ type: fc.constant("text"), text: fc.string({ maxLength: 8 }) }), anything), { maxLength: 3 }),
  value,
);
const call = fc.record({
  id: fc.oneof(fc.string(), value),
  type: fc.constantFrom("function", "custom", "x"),
  function: fc.oneof(fc.record({ name: fc.string(), arguments: fc.oneof(fc.string(), fc.json({ maxDepth: 2 }), value) }), value),
});
const message = fc.oneof(
  fc.record(
    {
      role: fc.oneof(fc.constantFrom("system", "developer", "user", "assistant", "tool", "function"), value),
      content,
      tool_call_id: fc.oneof(fc.string(), value),
      tool_calls: fc.oneof(fc.array(call, { maxLength: 2 }), value),
      reasoning_content: value,
      refusal: value,
    },
    { requiredKeys: ["role", "content"] },
  ),
  value,
);
const schema = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    anything,
    fc.record({ type: fc.oneof(fc.constantFrom("string", "integer", "number", "array", "null"), value) }),
    fc.record(
      {
        type: fc.constant("object"),
        properties: fc.dictionary(fc.string(), tie("node"), { maxKeys: 3 }),
        required: value,
        additionalProperties: value,
      },
      { requiredKeys: ["type", "properties"] },
    ),
    fc.record({ anyOf: fc.array(tie("node"), { maxLength: 3 }) }),
    fc.record({ enum: value, const: value, pattern: value, minLength: value, items: tie("node"), $ref: value }, { requiredKeys: [] }),
  ),
})).node;
const tool = fc.oneof(
  fc.record({
    type: fc.constantFrom("function", "custom"),
    function: fc.record({ name: fc.constantFrom("f", "g", "a b", ""), parameters: schema, strict: value }, { requiredKeys: ["name"] }),
  }),
  value,
);
const responseFormat = fc.oneof(
  fc.record({ type: fc.constant("json_schema"), json_schema: fc.oneof(fc.record({ name: fc.string(), schema }), value) }),
  value,
);
const toolChoice = fc.oneof(
  fc.record({ type: fc.constant("function"), function: fc.oneof(fc.record({ name: fc.constantFrom("f", "h") }), value) }),
  fc.record({ type: fc.constant("allowed_tools"), allowed_tools: fc.record({ mode: value, tools: fc.array(tool) }) }),
  value,
);
const names = [
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "presence_penalty",
  "frequency_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
];
const more = ["model", "n", "max_tokens", "stop", "grammar", "stream", "stream_options", "logprobs", "user", "metadata", "__proto__"];
const some = fc.dictionary(
  fc.constantFrom(...names, ...more, "top_logprobs", "max_completion_tokens", "chat_template_kwargs", "echo"),
  value,
  {
    maxKeys: 4,
  },
);
const chat = fc.record(
  {
    messages: fc.oneof(fc.array(message, { maxLength: 3 }), value),
    tools: fc.oneof(fc.array(tool, { maxLength: 2 }), value),
    tool_choice: toolChoice,
    response_format: responseFormat,
  },
  { requiredKeys: ["messages"] },
);
const completion = fc.record({ prompt: value, suffix: value, best_of: value }, { requiredKeys: [] });
const embedding = fc.record({ input: value, encoding_format: value, dimensions: value, pooling: value }, { requiredKeys: ["input"] });
const merged = (path: string, body: fc.Arbitrary<object>) =>
  fc.tuple(
    fc.constant(path),
    fc.tuple(body, some).map(([a, b]) => JSON.stringify({ ...b, ...a })),
  );

/** A path and the text of a body: near what the path takes, any JSON, or no JSON. */
export const requests: fc.Arbitrary<[string, string]> = fc.oneof(
  { weight: 6, arbitrary: merged("/v1/chat/completions", chat) },
  { weight: 2, arbitrary: merged("/v1/completions", completion) },
  { weight: 1, arbitrary: merged("/v1/embeddings", embedding) },
  { weight: 1, arbitrary: merged("/tokenize", fc.record({ content: value, add_special: value })) },
  { weight: 1, arbitrary: merged("/detokenize", fc.record({ tokens: value })) },
  fc.tuple(fc.constantFrom("/v1/chat/completions", "/v1/completions", "/tokenize"), fc.oneof(fc.json(), fc.string())),
);
