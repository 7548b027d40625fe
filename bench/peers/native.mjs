// One measurement of llama.cpp, native, CPU only, through node-llama-cpp's own binding: node native.mjs JOB.json
// The binding's decode is llama_decode; its sequence API would add sampling, checkpoints and bookkeeping in JavaScript.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { speeds } from "./speeds.mjs";

const { file, tokens, generated, threads, peers } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { getLlama } = await import(pathToFileURL(`${peers}/node_modules/node-llama-cpp/dist/index.js`).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: 0 });
const model = await llama.loadModel({ modelPath: file });
const { _ctx: context } = await model.createContext({ contextSize: tokens.length + generated, batchSize: tokens.length, threads });

let length = 0;
async function decode(part) {
  context.initBatch(part.length);
  context.addToBatch(0, length, Uint32Array.from(part), Uint32Array.of(part.length - 1));
  await context.decodeBatch();
  length += part.length;
}
async function clear() {
  context.disposeSequence(0);
  length = 0;
}
console.log(JSON.stringify(await speeds({ clear, decode }, tokens, generated)));
process.exit(); // its destructors can hang
