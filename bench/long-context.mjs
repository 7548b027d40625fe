// What a filled KV cache costs: tokens a second for prompts of 512 tokens (T = 512) and for single tokens (T = 1), on an empty cache
// and on one of 32k cells. The cells are those of one decoded ubatch, repeated: as real ones, without reading 32k tokens.
//   npm run build && node bench/long-context.mjs model.gguf [--cells 32768] [--threads 2] [--rounds 3] [--cache f16] [--profile]
// Deno: deno run -A bench/long-context.mjs … The model of the published figures: tandem synth qwen35-0.8b --quant Q4_K -o model.gguf
// Speeds are medians of interleaved rounds, single tokens of five times as many; a checkpoint brings R and S back between them. --profile adds
// the share of each op.

import { parseArgs } from "node:util";
import { loadModel, openGguf, printProfile, statistics } from "../dist/index.js";

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

/** Tokens a second of `count` tokens decoded by `each`. */
async function timed({ context, length }, count, each) {
  if (each === 1) {
    await context.decode({ tokens: tokens(1) }); // brings the weights back where the other context's cells were read
    await context.rewind(length);
  }
  const start = performance.now();
  for (let made = 0; made < count; made += each) await context.decode({ tokens: tokens(each) });
  const rate = (1000 * count) / (performance.now() - start);
  await context.rewind(length);
  return rate;
}

const percent = (part) => (100 * part).toFixed(0);
const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}` : `Node ${process.version}`;
console.log(
  `${runtime}, ${flags.threads} threads, KV cache ${flags.cache}; t/s at N_KV = 0 and at ${cells}, and the part that is left (range)`,
);
const contexts = [];
for (const length of [0, cells]) {
  contexts.push({ length, context: await context(flags.profile) });
  await fill(contexts.at(-1).context, length);
}
for (const one of contexts) await timed(one, SINGLES, 1); // until the optimising compiler has it
await timed(contexts[0], UBATCH, UBATCH);
for (const { context } of contexts) if (flags.profile) await context.profile();
// A moment of a busy machine should meet both lengths: prompts take seconds, single tokens are timed the more often for that.
for (const [count, each, rounds] of [
  [UBATCH, UBATCH, Number(flags.rounds)],
  [SINGLES, 1, 5 * Number(flags.rounds)],
]) {
  const rates = contexts.map(() => []);
  for (let i = 0; i < rounds; i++) for (const [c, one] of contexts.entries()) rates[c].push(await timed(one, count, each));
  const { median, least, most } = statistics(rates[1].map((full, i) => full / rates[0][i]));
  const [empty, full] = rates.map((values) => statistics(values).median.toFixed(1).padStart(7));
  console.log(`T = ${String(each).padEnd(5)}${empty} ${full}   ${percent(median)} % (${percent(least)}-${percent(most)})`);
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
