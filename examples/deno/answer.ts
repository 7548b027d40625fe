import { loadModel } from "tandem-llm";

const model = await loadModel(Deno.args[0] ?? "../models/qwen3next-mini-q4_k_m.gguf");
const encoder = new TextEncoder();
for await (const { text } of model.generate("PostgreSQL is", { maxTokens: 48, temperature: 0 })) {
  Deno.stdout.writeSync(encoder.encode(text));
}
console.log();
model.dispose();
