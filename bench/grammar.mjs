// What a grammar costs: compiling it, the mask of each token beside a decode step, and what the thread of streams waits while one compiles.
//   npm run build:wasm && npx rollup -c --configNode --silent -i bench/grammar.mjs -d build/bench && node build/bench/grammar.js
// Times are the processor's, of all threads of the process: the messages to the grammar thread count, what others do on the machine does not.
// Stalls are by the clock: the longest time between two turns of the event loop, where a stream's steps run, while the grammar compiles.
// The mini model answers in the schema (V = 8,192). The answer is decoded again with masks and without, also over a synthetic vocabulary of
// 248,320 tokens: the mini model's and pairs of these, which is how the long tokens of large vocabularies arise.

import { Constraint } from "../ts/api/grammar/constraint.ts";
import { Grammars } from "../ts/api/grammar/grammars.ts";
import { SchemaGrammar } from "../ts/api/schema/schema-grammar.ts";
import { writeGrammar } from "../ts/api/schema/terminals.ts";
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
const RUNS = 3;
const LARGE = 248_320;

/** Microseconds of processor time that the process has had. */
function now() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The longest time, in milliseconds, between two turns of this thread's event loop until the work is done. */
async function longestStall(work) {
  let [longest, last, running] = [0, performance.now(), true];
  const turn = () => {
    const time = performance.now();
    longest = Math.max(longest, time - last);
    last = time;
    if (running) setTimeout(turn, 1);
  };
  turn();
  const value = await work();
  turn();
  running = false;
  return { value, longest };
}

const PROMPT = "<|im_start|>user\nMake up some data.<|im_end|>\n<|im_start|>assistant\n";

/** The tokens of an answer in the grammar. */
async function answer(model, context, open) {
  const constraint = new Constraint(open, model.tokenizer);
  const sampler = new Sampler({ temperature: 1, seed: 3 }, model.tokenizer.vocabularySize);
  const tokens = [];
  await context.clear();
  for (let next = model.tokenizer.encode(PROMPT); tokens.length < TOKENS; next = tokens.slice(-1)) {
    const [row] = await context.decode({ tokens: next });
    await constraint.prepare(tokens);
    constraint.adjust(row);
    tokens.push(sampler.sample(row));
    if (model.tokenizer.isEndOfGeneration(tokens.at(-1))) break;
  }
  constraint.dispose();
  return tokens;
}

/** Decodes an answer again as a queue does, a mask being made beside each step, or without masks: microseconds of CPU and of waiting. */
async function replay(context, prompt, tokens, constraint, row) {
  const [steps, waits] = [[], []];
  await context.clear();
  await context.decode({ tokens: prompt });
  for (let i = 1; i < tokens.length; i++) {
    const start = now();
    const preparing = constraint?.prepare(tokens.slice(0, i));
    await context.decode({ tokens: [tokens[i - 1]] });
    const decoded = performance.now();
    await preparing;
    constraint?.adjust(row);
    waits.push(1e3 * (performance.now() - decoded));
    steps.push(now() - start);
  }
  return { steps, waits };
}

/** What masks cost a step: with and without them by turns. */
async function maskCost(context, prompt, tokens, open, tokenizer) {
  const row = new Float32Array(tokenizer.vocabularySize);
  const [masked, plain, waits] = [[], [], []];
  for (let run = 0; run < RUNS; run++) {
    const constraint = new Constraint(open, tokenizer);
    const held = await replay(context, prompt, tokens, constraint, row);
    constraint.dispose();
    waits.push(...held.waits);
    masked.push(...held.steps);
    plain.push(...(await replay(context, prompt, tokens)).steps);
  }
  const step = median(plain);
  return { step, mask: median(masked) - step, wait: median(waits), worst: Math.max(...waits) };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

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

const model = await loadModel(new URL("../../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url).pathname, { threads: 1 });
const context = await model.createContext({ contextLength: 512 });
const large = largeTokenizer(model.metadata, model.tokenizer, LARGE);
const small = new Grammars(model.tokenizer);
const wide = new Grammars(large);
const first = now();
await small.compile('root ::= "a"');
const loaded = now();
const { longest: stall } = await longestStall(() => wide.compile('root ::= "a"'));
console.log(
  `Node ${process.versions.node}, ${model.device}; xgrammar and its vocabulary ready in ${((loaded - first) / 1e3).toFixed(0)} ms, at V = ${LARGE} in ${((now() - loaded) / 1e3).toFixed(0)} ms (longest stall ${stall.toFixed(0)} ms)`,
);
console.log("schema                 V    compile ms   stall ms   step us   mask us   mask / step   wait us: median   worst");
const prompt = model.tokenizer.encode(PROMPT);
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const rules = new Map();
  const grammar = writeGrammar(new SchemaGrammar(schema, rules).expression(schema), rules);
  for (const [V, grammars, tokenizer] of [
    [8192, small, model.tokenizer],
    [LARGE, wide, large],
  ]) {
    const start = now();
    const { value: open, longest } = await longestStall(() => grammars.compile(grammar));
    const compile = (now() - start) / 1e3;
    const tokens = await answer(model, context, await small.compile(grammar));
    const { step, mask, wait, worst } = await maskCost(context, prompt, tokens, open, tokenizer);
    const share = `${((100 * mask) / step).toFixed(1)} %`;
    const figures = [compile, longest, step, mask].map((figure, i) => figure.toFixed(0).padStart([14, 11, 10, 10][i])).join("");
    console.log(
      `${name.padEnd(16)}${String(V).padStart(8)}${figures}${share.padStart(14)}${wait.toFixed(0).padStart(18)}${worst.toFixed(0).padStart(8)}`,
    );
  }
}
small.dispose();
wide.dispose();
context.dispose();
model.dispose();
