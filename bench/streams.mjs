// Several streams at once through the queue of the built library, on the CPU with 2 threads.
//   npm run build && node bench/streams.mjs [model.gguf]        deno run -A bench/streams.mjs [model.gguf]
// 1. Tokens a second of the same eight answers, made 1, 2, 4 and 8 at a time, prompts read before the clock starts; each text against its solo run.
// 2. What a stream waits for its next token, alone and while a prompt of 2,000 tokens is read beside it.
// 3. A chat of 20 turns: prompt tokens read, against the tokens of the final conversation.
// Median and range of interleaved repetitions; a busy machine shows in the range.

import { GenerationQueue, loadModel, statistics } from "../dist/index.js";

const args = globalThis.Deno?.args ?? process.argv.slice(2);
const path = args[0] ?? new URL("../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url).pathname;
const STREAMS = [1, 2, 4, 8];
const GENERATED = 128;
const REPETITIONS = 7;
const LONG_PROMPT = 2000;

const model = await loadModel(path, { threads: 2 });
const encode = (text) => model.tokenizer.encode(text);
// No stream ends before the others: the model's ends are not allowed.
const ends = Array.from({ length: model.tokenizer.vocabularySize }, (_, token) => token).filter((token) =>
  model.tokenizer.isEndOfGeneration(token),
);
const sampler = { temperature: 0, logitBias: new Map(ends.map((token) => [token, -Infinity])) };
const prompts = ["apt", "dpkg", "systemd", "debconf", "udev", "bash", "grub", "cron"].map((name) =>
  encode(`The package ${name} in Debian is used to install, to configure and to`),
);

/** Runs these prompts at once. What was made from the time that every stream has its first token, and the answers. */
async function together(some) {
  const queue = await GenerationQueue.create(model, { parallel: some.length, contextLength: 256, cacheBytes: 0 });
  let begun = 0;
  let start;
  const answers = await Promise.all(
    some.map(async (tokens) => {
      const answer = [];
      for await (const { token } of queue.generate({ tokens, sampler, maxTokens: GENERATED })) {
        if (answer.push(token) === 1 && ++begun === some.length) start = { at: performance.now(), made: queue.stats.generatedTokens };
      }
      return answer;
    }),
  );
  const made = queue.stats.generatedTokens - start.made;
  const milliseconds = performance.now() - start.at;
  queue.dispose();
  return { made, milliseconds, answers };
}

/** All prompts, so many at a time: a busy machine's moments then weigh as much for one stream as for eight. */
async function all(count) {
  const sum = { made: 0, milliseconds: 0, answers: [] };
  for (let i = 0; i < prompts.length; i += count) {
    const { made, milliseconds, answers } = await together(prompts.slice(i, i + count));
    sum.made += made;
    sum.milliseconds += milliseconds;
    sum.answers.push(...answers);
  }
  return { rate: (sum.made / sum.milliseconds) * 1e3, answers: sum.answers };
}

/** Milliseconds between a stream's tokens, alone and then while the long prompt is read, and how long that reading took. */
async function stalls() {
  const queue = await GenerationQueue.create(model, { parallel: 2, contextLength: LONG_PROMPT + 64, cacheBytes: 0 });
  const gaps = { alone: [], beside: [] };
  let reading;
  let last;
  let long = [];
  while (long.length < LONG_PROMPT) long = long.concat(...prompts);
  let milliseconds;
  for await (const _ of queue.generate({ tokens: prompts[0], sampler, maxTokens: 1900 })) {
    const now = performance.now();
    if (last) (reading ? gaps.beside : gaps.alone).push(now - last);
    last = now;
    if (!reading && gaps.alone.length === 32) {
      reading = queue
        .generate({ tokens: long.slice(0, LONG_PROMPT), sampler, maxTokens: 1 })
        .next()
        .then(() => {
          milliseconds = performance.now() - now;
        });
    }
    if (milliseconds) break;
  }
  queue.dispose();
  return { alone: Math.max(...gaps.alone), beside: Math.max(...gaps.beside), tokens: gaps.beside.length, milliseconds };
}

/** A chat whose template puts nothing between the messages. */
async function chat() {
  const queue = await GenerationQueue.create(model, { parallel: 1, contextLength: 2048 });
  let tokens = [];
  for (let turn = 0; turn < 20; turn++) {
    tokens = tokens.concat(prompts[turn % prompts.length]);
    for await (const { token } of queue.generate({ tokens, borders: [tokens.length], sampler, maxTokens: 24 })) tokens = [...tokens, token];
  }
  const { promptTokens, cachedTokens, cacheBytes, checkpoints } = queue.stats;
  queue.dispose();
  return { read: promptTokens - cachedTokens, asked: promptTokens, final: tokens.length, cacheBytes, checkpoints };
}

const runs = STREAMS.map(() => []);
let different = 0;
const solo = new Map();
for (let i = -1; i < REPETITIONS; i++) {
  for (const [s, count] of STREAMS.entries()) {
    const { rate, answers } = await all(count);
    if (i >= 0) runs[s].push(rate); // the first round warms the kernels up
    for (const [p, answer] of answers.entries()) {
      if (!solo.has(p)) solo.set(p, await alone(prompts[p]));
      if (String(answer) !== String(solo.get(p))) different++;
    }
  }
}

/** The same prompt in a context of its own, without the queue. */
async function alone(prompt) {
  const answer = [];
  for await (const { token } of model.generate(prompt, { ...sampler, maxTokens: GENERATED })) answer.push(token);
  return answer;
}

const range = (list, digits = 0) => {
  const { median, least, most } = statistics(list);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
};
const runtime = globalThis.Deno ? `Deno ${Deno.version.deno}` : `Node ${process.versions.node}`;
console.log(`${runtime}, ${model.name}, ${model.device}: median (range of ${REPETITIONS})`);
for (const [s, count] of STREAMS.entries()) {
  const times = runs[s].map((rate, i) => rate / runs[0][i]);
  console.log(`${count} streams: ${range(runs[s])} t/s together, ${range(times, 2)} times one stream`);
}
console.log(`streams whose tokens differ from their solo run: ${different}`);
const waits = [];
for (let i = 0; i < REPETITIONS; i++) waits.push(await stalls());
console.log(
  `longest wait for a token, ms: ${range(waits.map(({ alone }) => alone))} alone, ${range(waits.map(({ beside }) => beside))} while ${LONG_PROMPT} ` +
    `prompt tokens are read in ${range(waits.map(({ milliseconds }) => milliseconds))} ms, ${range(waits.map(({ tokens }) => tokens))} tokens meanwhile`,
);
const { read, asked, final, cacheBytes, checkpoints } = await chat();
console.log(
  `20 turns: ${read} prompt tokens read of ${asked} asked, the final conversation has ${final}; cache ${(cacheBytes / 2 ** 20).toFixed(1)} MiB in ${checkpoints} checkpoints`,
);
model.dispose();
