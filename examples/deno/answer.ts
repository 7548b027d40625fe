// In a project of your own, with the package from npm: `deno add npm:tandem-llm`.
// @ts-types="../../dist/types/index.d.ts"
import { loadModel } from "tandem-llm";

const model = await loadModel(Deno.args[0] ?? new URL("../models/qwen3next-mini-q4_k_m.gguf", import.meta.url));
const encoder = new TextEncoder();
for await (const { text } of model.generate("PostgreSQL is", { maxTokens: 48, temperature: 0 })) {
  Deno.stdout.writeSync(encoder.encode(text));
}
console.log();
model.dispose();
