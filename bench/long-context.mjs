// What a filled KV cache costs: tokens a second for prompts of 512 tokens (T = 512) and for single tokens (T = 1), on an empty cache
// and on one of 32k cells. The cells are those of one decoded ubatch, repeated: as real ones, without reading 32k tokens.
//   npm run build && node bench/long-context.mjs model.gguf [--cells 32768] [--threads 2] [--rounds 3] [--cache f16] [--profile]
// Deno: deno run -A bench/long-context.mjs … The model of the published figures: tandem synth qwen35-0.8b --quant Q4_K -o model.gguf
// Speeds are medians of interleaved rounds; a checkpoint brings R and S back between them. --profile adds the share of each op.

import { parseArgs } from "node:util";
import { loadModel, openGguf, printProfile } from "../dist/index.js";

const UBATCH = 512;
const SINGLES = 16;
const { values: flags, positionals } = parseArgs({
  args: globalThis.Deno?.args ?? process.argv.slice(2),
  allowPositionals: true,
  options: {
    cells: { type: "string", default: "32768" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    cache: { type: "string", default: "f16" },
    profile: { type: "boolean", default: false },
  },
});
const cells = Number(flags.cells);
const model = await loadModel(positionals[0], { threads: Number(flags.threads) });
const V = model.tokenizer.vocabularySize;
let last = 1;
function token() {
  last = (Math.imul(last, 1664525) + 1013904223) >>> 0;
  return last % V;
}
const tokens = (count) => Array.from({ length: count }, token);

const context = (profile) =>
  model.createContext({
    contextLength: cells + UBATCH,
    ubatch: UBATCH,
    checkpoints: 1,
    cacheTypeK: flags.cache,
    cacheTypeV: flags.cache,
    profile,
  });

/** Makes sequence 0 hold `length` tokens, a multiple of the ubatch, with R and S of the first ubatch. */
async function fill(context, length) {
  await context.clear();
  if (length > 0) {
    await context.decode({ tokens: tokens(UBATCH) });
    await context.withMemory(async (memory) => {
      const state = await memory.readState(0);
      const { parts } = await memory.readCells(0, 0, UBATCH);
      for (let from = UBATCH; from < length; from += UBATCH) memory.assemble(0, from + UBATCH, state, [{ from, parts }]);
    });
  }
  await context.checkpoint();
}

/** Tokens a second of one prompt, then of single tokens. */
async function round(context, length) {
  const timed = async (count, work) => {
    const start = performance.now();
    await work();
    await context.rewind(length);
    return (1000 * count) / (performance.now() - start);
  };
  const prompt = await timed(UBATCH, () => context.decode({ tokens: tokens(UBATCH) }));
  await context.decode({ tokens: tokens(1) });
  const single = await timed(SINGLES, async () => {
    for (const token of tokens(SINGLES)) await context.decode({ tokens: [token] });
  });
  await context.rewind(length);
  return { prompt, single };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}` : `Node ${process.version}`;
console.log(`${runtime}, ${flags.threads} threads, KV cache ${flags.cache}; t/s at N_KV = 0 and at ${cells}`);
const contexts = [];
for (const length of [0, cells]) {
  contexts.push({ length, context: await context(flags.profile), rounds: [] });
  await fill(contexts.at(-1).context, length);
}
await round(contexts[0].context, 0); // until the optimising compiler has it
for (const one of contexts) if (flags.profile) await one.context.profile();
for (let i = 0; i < Number(flags.rounds); i++)
  for (const { context, length, rounds } of contexts) rounds.push(await round(context, length));
for (const kind of ["prompt", "single"]) {
  const [empty, full] = contexts.map(({ rounds }) => median(rounds.map((one) => one[kind])));
  const name = kind === "prompt" ? `T = ${UBATCH}` : "T = 1";
  console.log(`${name.padEnd(8)} ${empty.toFixed(1).padStart(7)} ${full.toFixed(1).padStart(7)}   ${((100 * full) / empty).toFixed(0)} %`);
}
// What arithmetic alone allows: the weights of the layers, which each token of a prompt meets, beside the cells' keys and values.
const { L, X, U, H, D, recurrent } = model.config;
const file = await openGguf(positionals[0]);
let weights = 0;
for (const { name, shape } of file.tensors.values())
  if (/^blk\.\d+\./.test(name) && Number(name.split(".")[1]) < L)
    weights += (shape.reduce((a, b) => a * b, 1) * (name.includes("_exps") ? U / X : 1)) / 1e9;
const attention = (2 * H * D * cells * recurrent.filter((delta) => !delta).length) / 1e9;
const share = (100 * weights) / (weights + attention);
console.log(
  `by count, for a token of a prompt: ${weights.toFixed(2)} GMAC of weights, ${attention.toFixed(2)} of ${cells} cells: at one rate ${share.toFixed(0)} %`,
);
if (flags.profile) for (const { length, context } of contexts) console.log(`\nN_KV = ${length}\n${printProfile(await context.profile())}`);
model.dispose();
