/** A chat with the requests and answers of OpenAI's API: streamed, counted, stopped by Ctrl-C. */
import { loadModel } from "tandem-llm";

const [path = "../models/qwen3next-mini-q4_k_m.gguf", question = "What is the package nginx?"] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("stopped")));

const model = await loadModel(path, { signal: stop.signal });
try {
  const stream = await model.chat.completions.create(
    {
      messages: [{ role: "user", content: question }],
      temperature: 0,
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal: stop.signal },
  );
  for await (const { choices, usage } of stream) {
    process.stdout.write(choices[0]?.delta.content ?? "");
    if (usage) process.stderr.write(`\n${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written\n`);
  }
} catch (error) {
  if (error !== stop.signal.reason) throw error;
  process.stderr.write("\nstopped\n");
} finally {
  model.dispose();
}
