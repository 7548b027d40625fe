/**
 * A server among faulty clients: 200 of them, for DURATION seconds on the loopback, each time one of: a whole answer, a stream, a stream that is
 * dropped, a request that is dropped before its answer, malformed JSON, wrong parameters, an oversized body, a wrong key, a slow reader.
 * Fails where the server crashed, a sequence is still active, an error had no type, or an honest request was answered wrongly.
 *   npm run build && DURATION=180 CLIENTS=200 node bench/server-faults.mjs
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const seconds = Number(process.env.DURATION ?? 180);
const clients = Number(process.env.CLIENTS ?? 200);
const KEY = "key";
const cli = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const args = ["serve", "--json", "--port", "0", "--api-key", KEY, "-c", "512", "--parallel", "4", "--max-body", "1", "--cache-ram", "64"];
const server = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", "pipe", "inherit"] });
let exited;
server.on("exit", (code, signal) => {
  exited = signal ?? code;
});
const [line] = await once(createInterface({ input: server.stdout }), "line");
const base = new URL(JSON.parse(line).url);

const LOST = Symbol("lost");
/** Sends a request; `read` gets the response and the request. Resolves with what it gives, or LOST where the connection ended before. */
function send(path, body, read, { key = KEY, headers = {} } = {}) {
  const options = { host: base.hostname, port: base.port, path, method: body === undefined ? "GET" : "POST" };
  const all = { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers };
  return new Promise((resolve) => {
    const sent = request({ ...options, headers: all, agent: false }, (response) => {
      response.on("error", () => resolve(LOST));
      read(response, sent).then(resolve, () => resolve(LOST));
    });
    sent.on("error", () => resolve(LOST));
    sent.end(body);
  });
}

async function text(response) {
  let all = "";
  for await (const piece of response.setEncoding("utf8")) all += piece;
  return all;
}

const faults = [];
const counts = {};
const wrong = (what, status, body) => void faults.push(`${what}: ${status} ${body.slice(0, 200)}`);
const chat = (more = {}) =>
  JSON.stringify({ messages: [{ role: "user", content: `What is package ${Math.floor(Math.random() * 1000)}?` }], max_tokens: 8, ...more });

/** A response that must be one of these errors; busy is always possible. */
const expectError =
  (what, ...statuses) =>
  async (response) => {
    const body = await text(response);
    let type;
    try {
      type = JSON.parse(body).error.type;
    } catch {}
    if (![...statuses, 429].includes(response.statusCode) || typeof type !== "string") wrong(what, response.statusCode, body);
  };
const expectAnswer = (what, holds) => async (response) => {
  const body = await text(response);
  if (response.statusCode !== 429 && !(response.statusCode === 200 && holds(body))) wrong(what, response.statusCode, body);
};
const dropAfter = (pieces) => async (response, sent) => {
  for await (const _ of response) if (--pieces <= 0) break;
  sent.destroy();
};

const CHAT = "/v1/chat/completions";
const KINDS = {
  whole: () =>
    send(
      CHAT,
      chat(),
      expectAnswer("whole", (body) => JSON.parse(body).usage.completion_tokens > 0),
    ),
  stream: () =>
    send(
      CHAT,
      chat({ stream: true }),
      expectAnswer("stream", (body) => body.endsWith("data: [DONE]\n\n")),
    ),
  dropped: () => send(CHAT, chat({ stream: true, max_tokens: 400 }), dropAfter(1 + Math.floor(Math.random() * 4))),
  "dropped early": async () => {
    const options = { host: base.hostname, port: base.port, path: CHAT, method: "POST", agent: false };
    const sent = request({ ...options, headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" } });
    sent.on("error", () => undefined);
    sent.end(chat({ n: 3, max_tokens: 400 }));
    await sleep(Math.random() * 300);
    sent.destroy();
  },
  malformed: () => send(CHAT, chat().slice(0, -3), expectError("malformed", 400)),
  parameters: () => send(CHAT, chat({ temperature: "hot" }), expectError("parameters", 400)),
  oversized: () => send(CHAT, chat({ user: "x".repeat(2 ** 20) }), expectError("oversized", 413)),
  "too long": () =>
    send(CHAT, JSON.stringify({ messages: [{ role: "user", content: "word ".repeat(600) }] }), expectError("too long", 400)),
  "wrong key": () => send(CHAT, chat(), expectError("wrong key", 401), { key: "another" }),
  "slow reader": () =>
    send(CHAT, chat({ stream: true, max_tokens: 32 }), async (response) => {
      response.pause();
      for await (const _ of response) await sleep(200);
    }),
};

async function client(until) {
  const kinds = Object.entries(KINDS);
  while (Date.now() < until && exited === undefined) {
    const [name, run] = kinds[Math.floor(Math.random() * kinds.length)];
    if ((await run()) === LOST && !name.startsWith("dropped")) faults.push(`${name}: no answer`);
    counts[name] = (counts[name] ?? 0) + 1;
    await sleep(Math.random() * 200);
  }
}

async function metrics() {
  const body = await send("/metrics", undefined, text);
  return (name) =>
    Number(
      (body ?? "")
        .split("\n")
        .find((row) => row.startsWith(`${name} `))
        ?.split(" ")[1],
    );
}

const started = Date.now();
const watch = async (when) => {
  const value = await metrics();
  const names = { active: "tandem_sequences_active", waiting: "tandem_generations_waiting", tokens: "tandem_generated_tokens_total" };
  const listed = Object.entries(names).map(([label, name]) => `${label} ${value(name)}`);
  const rss = (value("process_resident_memory_bytes") / 2 ** 20).toFixed(0);
  console.log(`${when.padEnd(9)} ${((Date.now() - started) / 1000).toFixed(0).padStart(4)} s  RSS ${rss} MiB, ${listed.join(", ")}`);
  return value;
};

await watch("start");
const until = started + seconds * 1000;
const running = Array.from({ length: clients }, () => client(until));
for (const part of [1, 2, 3]) {
  await sleep(Math.max(0, started + (part * seconds * 1000) / 4 - Date.now()));
  await watch(`${part} of 4`);
}
await Promise.all(running);
let value = await watch("end");
const quiet = (read) => read("tandem_sequences_active") === 0 && read("tandem_generations_waiting") === 0;
for (let i = 0; i < 100 && !quiet(value); i++) {
  await sleep(100);
  value = await metrics();
}
await watch("settled");
if (!quiet(value) || value("tandem_http_requests_in_flight") !== 0) faults.push("the server still has work that nobody waits for");
if (exited !== undefined) faults.push(`the server ended: ${exited}`);
server.kill("SIGTERM");
if (exited === undefined) await once(server, "exit");
if (exited !== 0) faults.push(`after SIGTERM the server ended with ${exited}`);
console.log(`${clients} clients, ${seconds} s:`, counts);
console.log(faults.length === 0 ? "no faults" : `${faults.length} faults:\n${[...new Set(faults)].slice(0, 20).join("\n")}`);
process.exitCode = faults.length === 0 ? 0 : 1;
