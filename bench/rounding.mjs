// How far rounding alone moves a model's perplexity: copies of the file whose norms differ by a millionth, each scored on the CPU.
// Activations meet quantised weights in int8; a difference of 1e-6 tips a rounding here and there, and then an expert choice.
//   npm run build && node bench/rounding.mjs model.gguf text.txt [copies]
// Prints the file's own perplexity (n_ctx 256, 16 chunks, as `tandem perplexity` does) and each copy's.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openGguf } from "../dist/index.js";

const [model, text, copies = "6"] = process.argv.slice(2);
const command = new URL("../dist/cli.js", import.meta.url).pathname;
const F32 = 0;

function perplexity(file) {
  const args = [command, "perplexity", "-m", file, "-f", text, "-c", "256", "--chunks", "16", "--json"];
  return JSON.parse(execFileSync(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] })).ppl;
}

/** Numbers in -1 … 1, the same for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** Multiplies every norm in `file` by 1 ± 1e-6. */
async function disturb(file, next) {
  const gguf = await openGguf(file);
  const out = openSync(file, "r+");
  for (const { name, type, source, offset, bytes } of gguf.tensors.values()) {
    if (type !== F32 || !name.includes("norm")) continue;
    const values = new Float32Array((await source.read(offset, bytes)).slice().buffer).map((value) => value * (1 + 1e-6 * next()));
    writeSync(out, new Uint8Array(values.buffer), 0, bytes, offset);
  }
  await gguf.close();
}

console.log(`the file itself: ${perplexity(model).toFixed(4)}`);
const folder = mkdtempSync(path.join(tmpdir(), "tandem-rounding-"));
try {
  for (let seed = 1; seed <= Number(copies); seed++) {
    const file = path.join(folder, "copy.gguf");
    copyFileSync(model, file);
    await disturb(file, random(seed));
    console.log(`copy ${seed}: ${perplexity(file).toFixed(4)}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
