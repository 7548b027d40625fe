// Prefill (PP) and generation (TG) speed of a model through the built library, for 1 and 2 threads.
//   npm run build && node bench/speed.mjs [model.gguf]        deno run -A bench/speed.mjs [model.gguf]
// Median and range of interleaved repetitions; a busy machine shows in the range.

import { loadModel } from "../dist/index.js";

const args = globalThis.Deno?.args ?? process.argv.slice(2);
const path = args[0] ?? new URL("../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url).pathname;
const PROMPT = 256;
const GENERATED = 64;
const REPETITIONS = 7;

async function measure(context, tokens) {
  await context.clear();
  let start = performance.now();
  await context.decode({ tokens: tokens.slice(0, PROMPT) });
  const pp = (PROMPT / (performance.now() - start)) * 1e3;
  start = performance.now();
  for (let i = 0; i < GENERATED; i++) await context.decode({ tokens: [tokens[PROMPT + i]] });
  return { pp, tg: (GENERATED / (performance.now() - start)) * 1e3 };
}

const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}` : `Node ${process.versions.node}`;
const models = [];
for (const threads of [1, 2]) {
  const model = await loadModel(path, { threads });
  const context = await model.createContext({ contextLength: PROMPT + GENERATED, ubatch: PROMPT });
  const tokens = Array.from({ length: PROMPT + GENERATED }, (_, i) => (i * 7919 + 13) % model.config.V);
  models.push({ model, context, tokens, runs: [] });
  await measure(context, tokens); // warms the kernels up
}
for (let i = 0; i < REPETITIONS; i++) for (const one of models) one.runs.push(await measure(one.context, one.tokens));

console.log(`${runtime}, ${models[0].model.name}: t/s, median (range of ${REPETITIONS})`);
for (const { model, runs } of models) {
  const show = (key) => {
    const sorted = runs.map((run) => run[key]).sort((a, b) => a - b);
    return `${sorted[REPETITIONS >> 1].toFixed(0)} (${sorted[0].toFixed(0)}-${sorted.at(-1).toFixed(0)})`;
  };
  console.log(`${model.device}: pp${PROMPT} ${show("pp")}, tg${GENERATED} ${show("tg")}`);
  model.dispose();
}
