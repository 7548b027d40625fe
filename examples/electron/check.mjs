/** Both builds without Electron: the Node build serves, the browser bundle is the client, a port of Node is between them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { loadModel, servePort } from "tandem-llm";
import { BackendError, ContextOverflowError, connectPort } from "./tandem.js";

const home = await loadModel(process.argv[2] ?? fileURLToPath(new URL("../models/qwen3next-mini-q4_k_m.gguf", import.meta.url)));

async function connect() {
  const { port1, port2 } = new MessageChannel();
  servePort(port1, home);
  return { model: await connectPort(port2), close: () => port1.close() };
}

const { model, close } = await connect();
let text = "PostgreSQL is";
for await (const piece of model.generate(text, { maxTokens: 64, temperature: 0 })) text += piece.text;
console.log(text);

const messages = [/** @type {const} */ ({ role: "user", content: "What is the package nginx?" })];
const request = { messages, temperature: 0, max_tokens: 24 };
let streamed = "";
for await (const chunk of await model.chat.completions.create({ ...request, stream: true }))
  streamed += chunk.choices[0]?.delta.content ?? "";
assert.equal(streamed, (await home.chat.completions.create(request)).choices[0]?.message.content);
assert.deepEqual(await model.tokenize("nginx is a web server"), home.tokenize("nginx is a web server"));

const stop = new AbortController();
const reason = new Error("stopped");
const stopped = (async () => {
  for await (const _ of model.generate("nginx is", { signal: stop.signal })) stop.abort(reason);
})();
await assert.rejects(stopped, (error) => error === reason);
await assert.rejects(
  model.chat.completions.create({ messages: [{ role: "user", content: "word ".repeat(100_000) }] }),
  ContextOverflowError,
);

// What a page sees when the engine's process has ended, and does then.
const cut = assert.rejects(model.chat.completions.create({ messages, max_tokens: 400 }), BackendError);
close();
await cut;
const again = await connect();
assert.equal((await again.model.chat.completions.create(request)).choices[0]?.message.content, streamed);
await again.model.dispose();
home.dispose();
