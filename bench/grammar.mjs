// What a grammar costs: compiling it, and the mask of each token beside the decode step that it waits for.
//   npm run build:wasm && npx rollup -c --configNode --silent -i bench/grammar.mjs -d build/bench && node build/bench/grammar.js
// Times are the processor's, of one thread: what others do on the machine meanwhile does not count.
// The mini model answers in the schema (V = 8,192). The same answer is then masked over a synthetic vocabulary of 248,320 tokens:
// the mini model's and pairs of these, which is how the long tokens of large vocabularies arise.

import { Constraint } from "../ts/api/grammar/constraint.ts";
import { Grammars } from "../ts/api/grammar/grammars.ts";
import { SchemaGrammar } from "../ts/api/grammar/schema-grammar.ts";
import { writeGrammar } from "../ts/api/grammar/terminals.ts";
import { loadModel } from "../ts/engine/model.ts";
import { Sampler } from "../ts/engine/sampler.ts";
import { Tokenizer } from "../ts/text/tokenizer.ts";

const text = (maxLength) => ({ type: "string", ...(maxLength ? { maxLength } : {}) });
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties) });
const SCHEMAS = {
  "free strings": object({ title: text(), tags: { type: "array", items: text(), maxItems: 3 }, note: text() }),
  "bounded strings": object({ title: text(60), name: text(20), tags: { type: "array", items: text(12), maxItems: 3 } }),
  "long bounded": object({ title: text(200), note: text(2000) }),
  numbers: object({
    year: { type: "integer", minimum: 1900, maximum: 2100 },
    list: { type: "array", items: { type: "number" }, minItems: 8, maxItems: 12 },
  }),
};
const TOKENS = 200;
const LARGE = 248_320;

/** Microseconds of processor time that the process has had. */
function now() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Times of each call in microseconds. */
function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], mean: times.reduce((sum, time) => sum + time, 0) / times.length, worst: sorted.at(-1) };
}

/** Answers in the grammar, timing masks and decode steps. */
async function answer(model, context, open) {
  const constraint = new Constraint(open, model.tokenizer);
  const sampler = new Sampler({ temperature: 1, seed: 3 }, model.tokenizer.vocabularySize);
  await context.clear();
  let [row] = await context.decode({
    tokens: model.tokenizer.encode("<|im_start|>user\nMake up some data.<|im_end|>\n<|im_start|>assistant\n"),
  });
  const tokens = [];
  const [masks, steps] = [[], []];
  while (tokens.length < TOKENS) {
    const start = now();
    constraint.adjust(row, tokens);
    masks.push(now() - start);
    const token = sampler.sample(row);
    tokens.push(token);
    if (model.tokenizer.isEndOfGeneration(token)) break;
    const decode = now();
    [row] = await context.decode({ tokens: [token] });
    steps.push(now() - decode);
  }
  constraint.dispose();
  return { tokens, masks, steps };
}

/** The mini model's tokens with pairs of them up to `size`. */
function largeTokenizer(metadata, tokenizer, size) {
  const small = Array.from({ length: tokenizer.vocabularySize }, (_, id) => tokenizer.tokenText(id));
  const types = Array.from(small, (_, id) => metadata.get("tokenizer.ggml.token_type")[id]);
  const known = new Set(small);
  for (let i = 0; small.length < size; i++) {
    const pair = small[(i * 7919) % 8183] + small[(i + Math.floor(i / 8183)) % 8183];
    if (known.has(pair)) continue;
    known.add(pair);
    small.push(pair);
    types.push(1);
  }
  const changes = { "tokenizer.ggml.tokens": small, "tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": [] };
  return new Tokenizer({ get: (key) => changes[key] ?? metadata.get(key) });
}

/** Masks the same tokens over another vocabulary. */
function mask(open, tokenizer, tokens) {
  const constraint = new Constraint(open, tokenizer);
  const row = new Float32Array(tokenizer.vocabularySize);
  const times = [];
  for (let i = 0; i < tokens.length; i++) {
    const start = now();
    constraint.adjust(row, tokens.slice(0, i));
    times.push(now() - start);
  }
  constraint.dispose();
  return times;
}

const model = await loadModel(new URL("../../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url).pathname, { threads: 1 });
const context = await model.createContext({ contextLength: 512 });
const large = largeTokenizer(model.metadata, model.tokenizer, LARGE);
const small = new Grammars(model.tokenizer);
const wide = new Grammars(large);
const first = now();
await small.compile('root ::= "a"');
const loaded = now();
await wide.compile('root ::= "a"');
console.log(
  `Node ${process.versions.node}, ${model.device}; xgrammar and its vocabulary ready in ${((loaded - first) / 1e3).toFixed(0)} ms, at V = ${LARGE} in ${((now() - loaded) / 1e3).toFixed(0)} ms`,
);
console.log("schema            V        compile ms   mask us: median  mean  worst    step us: mean   mask / step, means");
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const rules = new Map();
  const grammar = writeGrammar(new SchemaGrammar(schema, rules).expression(schema), rules);
  for (const [V, grammars, tokenizer] of [
    [8192, small, model.tokenizer],
    [LARGE, wide, large],
  ]) {
    const start = now();
    const open = await grammars.compile(grammar);
    const compile = now() - start;
    const { tokens, masks, steps } = await answer(model, context, await small.compile(grammar));
    const { median, mean, worst } = summary(V === 8192 ? masks : mask(open, tokenizer, tokens));
    const step = summary(steps);
    const share = V === 8192 ? `${step.mean.toFixed(0).padStart(11)}${((100 * mean) / step.mean).toFixed(1).padStart(17)} %` : "";
    console.log(
      `${name.padEnd(16)}${String(V).padStart(8)}${(compile / 1e3).toFixed(0).padStart(13)}${median.toFixed(0).padStart(17)}${mean.toFixed(0).padStart(6)}${worst.toFixed(0).padStart(7)}${share}`,
    );
  }
}
context.dispose();
model.dispose();
