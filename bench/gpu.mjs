// Decode and prefill speed of models on the GPU, each also as a fraction of the streaming roof.
//   npm run build && node bench/gpu.mjs [--ub N] [--no-f16] [--no-subgroups] [--no-matrix] model.gguf …
// Dawn options come from DAWN_FLAGS, separated by ";". Models of real shapes: tandem synth qwen35-9b --quant Q8_0 -o model.gguf

import { loadModel, measureGpuBandwidth, roofSpeed, Sampler, statistics } from "../dist/index.js";

const args = globalThis.Deno?.args ?? process.argv.slice(2);
const paths = args.filter((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--ub");
const has = (flag) => args.includes(flag);
const ubatch = has("--ub") ? Number(args[args.indexOf("--ub") + 1]) : 512;
const dawnFlags = (globalThis.process?.env.DAWN_FLAGS ?? "").split(";").filter(Boolean);
const gpu = { dawnFlags, f16: !has("--no-f16"), subgroups: !has("--no-subgroups"), subgroupMatrix: !has("--no-matrix") };
const GENERATED = 64;

const median = (values) => statistics(values).median;
const seconds = async (work) => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1e3;
};

const { device, bytesPerSecond } = await measureGpuBandwidth(gpu);
console.log(
  `${device}: streams ${(bytesPerSecond / 1e9).toFixed(0)} GB/s; f16 ${gpu.f16}, sub-groups ${gpu.subgroups}, sub-group matrices ${gpu.subgroupMatrix}, ubatch ${ubatch}`,
);
for (const path of paths) {
  const start = performance.now();
  const model = await loadModel(path, { gpuLayers: 99, gpu });
  const loaded = ((performance.now() - start) / 1e3).toFixed(1);
  const context = await model.createContext({ contextLength: 2048 + GENERATED + 8, ubatch, batch: 2048 });
  const tokens = Array.from({ length: 2048 }, (_, i) => (i * 7919 + 13) % model.config.V);
  const prefill = async (n) => {
    await context.clear();
    return n / (await seconds(() => context.decode({ tokens: tokens.slice(0, n) })));
  };
  const sampler = new Sampler({ topK: 40, seed: 1 }, model.config.V);
  const sampled = async (decode) => {
    for (let i = 0, token = 1; i < GENERATED; i++) token = sampler.sample((await decode({ tokens: [token] }))[0]);
  };
  const ways = {
    /** Tokens ahead of what is read back. */
    ahead: async () => {
      let made = 0;
      for await (const _ of context.greedy(1)) if (++made === GENERATED) break;
    },
    /** Nothing read back but the last token. */
    unread: () => context.greedyUnread(1, GENERATED),
    /** Each waited for: the largest logits, or all. */
    top: () => sampled((request) => context.decodeTop(request)),
    all: () => sampled((request) => context.decode(request)),
  };
  /** Tokens per second of each way, all at the same length of the sequence. */
  const generate = async () => {
    const speeds = {};
    for (const [name, way] of Object.entries(ways)) {
      await context.clear();
      await context.decode({ tokens: tokens.slice(0, 8), logits: "none" });
      await context.settle();
      speeds[name] = GENERATED / (await seconds(way));
      await context.settle();
    }
    return speeds;
  };
  for (const n of [512, 2048]) await prefill(n); // compiles and warms up
  await generate();
  const pp = { 512: [], 2048: [] };
  const tg = [];
  for (let i = 0; i < 3; i++) {
    for (const n of [512, 2048]) pp[n].push(await prefill(n));
    tg.push(await generate());
  }
  const speed = (name) => median(tg.map((speeds) => speeds[name]));
  const best = speed("ahead");
  const roof = roofSpeed(context, { webgpu: bytesPerSecond }, 1, 1);
  console.log(
    `${model.name}: loaded in ${loaded} s, ${context.graphInfo.nodes} nodes, ${context.graphInfo.splits} splits; pp512 ${median(pp[512]).toFixed(0)}, ` +
      `pp2048 ${median(pp[2048]).toFixed(0)}, tg${GENERATED} ${best.toFixed(1)} t/s (roof ${roof.toFixed(0)}: ${((100 * best) / roof).toFixed(0)} %)\n` +
      `  without reading back ${speed("unread").toFixed(1)} t/s: reading takes ${(100 * (1 - best / speed("unread"))).toFixed(1)} % of a token (bar 10 %); ` +
      `sampled with top-k 40 from the 64 largest logits ${speed("top").toFixed(1)} t/s, from all ${speed("all").toFixed(1)}`,
  );
  model.dispose();
}
