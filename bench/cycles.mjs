// Loads, generates and frees a model many times: memory must stay flat.
//   npm run build && node --expose-gc bench/cycles.mjs [--gpu] [cycles] [model.gguf]
// Prints resident memory, JS heap and, on the GPU, live buffers, every tenth of the way.

import { loadModel } from "../dist/index.js";

const args = process.argv.slice(2);
const gpu = args.includes("--gpu");
const [cycles = "1000", path = new URL("../tests/data/qwen35-tiny-f16.gguf", import.meta.url).pathname] = args.filter(
  (arg) => !arg.startsWith("--"),
);
const dawnFlags = (process.env.DAWN_FLAGS ?? "").split(";").filter(Boolean);
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

let first;
for (let i = 0; i <= Number(cycles); i++) {
  const model = await loadModel(path, { threads: 2, gpuLayers: gpu ? 99 : 0, gpu: { dawnFlags } });
  let made = 0;
  for await (const _ of model.generate([1, 2, 3, 4, 5], { temperature: 0, maxTokens: 4, contextLength: 16, ubatch: 8 })) made++;
  if (made === 0) throw new Error("nothing was generated");
  model.dispose();
  if (i % Math.max(1, Number(cycles) / 10) === 0) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50)); // workers and freed GPU memory go in their own time
    const { rss, heapUsed } = process.memoryUsage();
    first ??= rss;
    console.log(`${i} cycles: resident ${mib(rss)} (${rss >= first ? "+" : ""}${mib(rss - first)}), JS heap ${mib(heapUsed)}`);
  }
}
