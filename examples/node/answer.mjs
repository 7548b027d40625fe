import { loadModel } from "tandem-llm";

const model = await loadModel(process.argv[2] ?? "../models/qwen3next-mini-q4_k_m.gguf");
for await (const { text } of model.generate("PostgreSQL is", { maxTokens: 48, temperature: 0 })) process.stdout.write(text);
process.stdout.write("\n");
model.dispose();
