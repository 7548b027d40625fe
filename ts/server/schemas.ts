import { z } from "zod";

/**
 * Bodies of requests: the shapes that the API relies on, in its parameters' names. Unknown fields are let through, as OpenAI's servers do;
 * what depends on the model (tokens, tools, grammars, how parameters go together) is checked where it is used.
 */
const count = z.int().min(1);
const fraction = z.number().min(0).max(1);
const anyObject = z.record(z.string(), z.unknown());
const stop = z.union([z.string(), z.array(z.string()).max(64)]);
const streaming = { stream: z.boolean().optional(), stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional() };

const sampling = {
  temperature: z.number().min(0).optional(),
  top_p: fraction.optional(),
  top_k: z.int().optional(),
  min_p: fraction.optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  repetition_penalty: z.number().gt(0).optional(),
  seed: z.int().optional(),
  logit_bias: z.record(z.string().regex(/^\d+$/), z.number()).optional(),
};

const common = {
  model: z.string().optional(),
  n: z.int().min(1).max(128).optional(),
  max_tokens: count.optional(),
  stop: stop.optional(),
  grammar: z.string().optional(),
  ...streaming,
  ...sampling,
};

const content = z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]);
const toolCall = z.looseObject({
  id: z.string(),
  type: z.string(),
  function: z.looseObject({ name: z.string(), arguments: z.string() }).optional(),
});
const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.enum(["developer", "system", "user"]), content }),
  z.looseObject({
    role: z.literal("assistant"),
    content: content.nullish(),
    refusal: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(toolCall).optional(),
  }),
  z.looseObject({ role: z.literal("tool"), content, tool_call_id: z.string() }),
]);
const tool = z.looseObject({
  type: z.string(),
  function: z
    .looseObject({
      name: z.string(),
      description: z.string().optional(),
      parameters: anyObject.optional(),
      strict: z.boolean().nullish(),
    })
    .optional(),
});
const namedChoice = z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) });
const allowedTools = z.looseObject({
  type: z.literal("allowed_tools"),
  allowed_tools: z.looseObject({ mode: z.enum(["auto", "required"]), tools: z.array(anyObject) }),
});
const jsonSchema = z.looseObject({ name: z.string(), schema: anyObject.optional(), strict: z.boolean().nullish() });
const responseFormat = z.discriminatedUnion("type", [
  z.looseObject({ type: z.enum(["text", "json_object"]) }),
  z.looseObject({ type: z.literal("json_schema"), json_schema: jsonSchema }),
]);

export const chatBody = z.looseObject({
  ...common,
  messages: z.array(message).min(1),
  max_completion_tokens: count.optional(),
  logprobs: z.boolean().optional(),
  top_logprobs: z.int().min(0).max(20).optional(),
  tools: z.array(tool).max(128).optional(),
  tool_choice: z.union([z.enum(["none", "auto", "required"]), namedChoice, allowedTools]).optional(),
  parallel_tool_calls: z.boolean().optional(),
  response_format: responseFormat.optional(),
  chat_template_kwargs: anyObject.optional(),
});

const token = z.int().min(0);
/** A text, its tokens, or a list of either. */
const textOrTokens = z.union([
  z.string(),
  z.array(z.string()).min(1).max(2048),
  z.array(token).min(1),
  z.array(z.array(token)).min(1).max(2048),
]);

export const completionBody = z.looseObject({
  ...common,
  prompt: textOrTokens.optional(),
  logprobs: z.int().min(0).max(20).optional(),
  echo: z.boolean().optional(),
  suffix: z.string().optional(),
  best_of: count.optional(),
});

export const embeddingBody = z.looseObject({
  model: z.string().optional(),
  input: textOrTokens,
  encoding_format: z.enum(["float", "base64"]).optional(),
  dimensions: count.optional(),
  pooling: z.enum(["mean", "last"]).optional(),
});

/** llama.cpp's names and defaults. */
export const tokenizeBody = z.looseObject({
  content: z.string(),
  add_special: z.boolean().default(false),
  parse_special: z.boolean().default(true),
});
export const detokenizeBody = z.looseObject({ tokens: z.array(token) });
