/** The engine's half without Electron: ports of Node in place of Electron's. Answers, stops, and reports an error as the page would see it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { loadModel } from "tandem-llm";
import { servePort } from "./serve-port.mjs";

/** @typedef {import("./serve-port.mjs").Reply} Reply */
/** @typedef {import("./serve-port.mjs").Request} Request */

const { port1, port2 } = new MessageChannel();
const electronLike = {
  /** @param {string} event @param {(event: { data: Request }) => void} listener */
  on: (event, listener) => port1.on(event, (data) => listener({ data })),
  /** @param {Reply} reply */
  postMessage: (reply) => port1.postMessage(reply),
  start: () => port1.start(),
};
const model = loadModel(process.argv[2] ?? fileURLToPath(new URL("../models/qwen3next-mini-q4_k_m.gguf", import.meta.url)));
servePort(electronLike, model);

/** @type {(request: Request, stopAfter?: number) => Promise<Reply[]>} */
const ask = (request, stopAfter = Number.POSITIVE_INFINITY) =>
  new Promise((resolve) => {
    /** @type {Reply[]} */
    const replies = [];
    const listener = (/** @type {Reply} */ reply) => {
      if (reply.id !== request.id) return;
      replies.push(reply);
      if (replies.length === stopAfter) port2.postMessage({ id: request.id, stop: true });
      if (reply.text !== undefined) return;
      port2.off("message", listener);
      resolve(replies);
    };
    port2.on("message", listener);
    port2.postMessage(request);
  });

const whole = await ask({ id: 1, prompt: "PostgreSQL is" });
const text = whole.map((reply) => reply.text ?? "").join("");
assert.ok(text.length > 20);
assert.match(whole.at(-1)?.finishReason ?? "", /^(stop|length)$/);

const stopped = await ask({ id: 2, prompt: "PostgreSQL is" }, 3);
assert.ok(stopped.length < whole.length);
assert.equal(stopped.at(-1)?.finishReason, "stopped");

const refused = await ask({ id: 3, prompt: "" });
assert.equal(refused.at(-1)?.error?.code, "invalid_argument");

console.log(`PostgreSQL is${text}`);
port1.close();
(await model).dispose();
