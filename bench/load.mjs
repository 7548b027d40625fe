// How fast a model loads, beside a plain read of the same file into memory that was never used before, in turns.
//   npm run build && node bench/load.mjs model.gguf [rounds]
// Prints seconds and GiB/s of both and their ratio, the best and the median of the rounds. Read the file once before, or both wait for the disk.

import { open, stat } from "node:fs/promises";
import { loadModel } from "../dist/index.js";

const [path, rounds = "5"] = process.argv.slice(2);
if (!path) throw new Error("give a GGUF file");
const { size } = await stat(path);
const BLOCK_BYTES = 16 * 2 ** 20;

/** Block by block, as a simple program would. */
async function plainRead() {
  const start = performance.now();
  const target = new Uint8Array(new SharedArrayBuffer(size));
  const file = await open(path);
  for (let at = 0; at < size; ) at += (await file.read(target, at, Math.min(BLOCK_BYTES, size - at), at)).bytesRead;
  await file.close();
  return (performance.now() - start) / 1000;
}

async function load() {
  const start = performance.now();
  const model = await loadModel(path);
  const seconds = (performance.now() - start) / 1000;
  model.dispose();
  return seconds;
}

const times = { plain: [], load: [] };
for (let i = 0; i < Number(rounds); i++) {
  times.plain.push(await plainRead());
  times.load.push(await load());
  globalThis.gc?.();
}
const sorted = (list) => [...list].sort((a, b) => a - b);
for (const [name, at] of [
  ["best", 0],
  ["median", Math.floor(Number(rounds) / 2)],
]) {
  const [plain, loading] = [sorted(times.plain)[at], sorted(times.load)[at]];
  const speed = (seconds) => `${seconds.toFixed(3)} s (${(size / 2 ** 30 / seconds).toFixed(2)} GiB/s)`;
  console.log(`${name}: plain read ${speed(plain)}, load ${speed(loading)}: ${((100 * plain) / loading).toFixed(0)} % of its speed`);
}
