/** The browser's bundle as a plain file: no npm, no node_modules, and the engine in a worker of its own. */
import { loadModel } from "../../dist/browser/index.js";

const model = await loadModel(await Deno.readFile(new URL("../models/qwen3next-mini-q4_k_m.gguf", import.meta.url)));
let answer = "";
for await (const { text } of model.generate("PostgreSQL is", { maxTokens: 48, temperature: 0 })) answer += text;
console.log(answer);
await model.dispose();
