// A model larger than 4 GiB in Node and in headless Chromium: peak memory while it loads, and a few tokens from it.
//   npm run build && node dist/cli.js synth qwen35-9b -o large.gguf && node bench/large.mjs large.gguf
// In Node it comes from the file; in Chromium from a server on this machine into OPFS, then, in a fresh page, from OPFS alone.
// Prints the peaks of the JS heaps and of array buffers (of the page and all its workers), and of resident memory, which holds the weights.
// Fails where heap and buffers pass 300 MB, or the tokens are not the same everywhere. Needs as much disk and memory as the model, and some more.

import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchWithProfile, servePages } from "../scripts/chromium.mjs";
import { followHeaps } from "./page-heap.mjs";

const LIMIT_BYTES = 300e6;
const PROMPT = "The quick brown fox";
const TOKENS = 8;
/** Both platforms take the same kernels, so that their tokens can be compared. */
const LOAD = { threads: 2, wasmBuild: "simd", context: { contextLength: 256 } };
const SAMPLE_MS = 20;

const [file, role] = process.argv.slice(2);
if (!file) throw new Error("give a GGUF file, larger than 4 GiB");
const { size } = statSync(file);
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

if (role === "node") await inNode();
else await main();

async function main() {
  console.log(`${path.basename(file)}: ${size} bytes (${(size / 2 ** 30).toFixed(2)} GiB)`);
  const node = await new Promise((resolve) => fork(import.meta.filename, [file, "node"]).once("message", resolve));
  report(node);
  const runs = [node, ...(await inChromium())];
  const failed = [];
  for (const { label, peak } of runs)
    if (peak.bothBytes >= LIMIT_BYTES) failed.push(`${label}: wanted less than 300 MB of heap and buffers`);
  if (runs.some(({ tokens }) => tokens.length !== TOKENS)) failed.push(`wanted ${TOKENS} tokens everywhere`);
  if (new Set(runs.map(({ tokens }) => tokens.join())).size > 1) failed.push("wanted the same tokens everywhere");
  for (const line of failed) console.log(`FAILED: ${line}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function report({ label, loadSeconds, seconds, device, tokens, peak }) {
  console.log(`${label}: loaded in ${loadSeconds.toFixed(1)} s on ${device}`);
  console.log(`  peaks while loading: JS heap ${mib(peak.heapBytes)}, array buffers ${mib(peak.bufferBytes)}, both ${mib(peak.bothBytes)}`);
  console.log(
    `  ${tokens.length} tokens in ${seconds.toFixed(1)} s: ${tokens.join(" ")}; peak of resident memory ${mib(peak.residentBytes)}`,
  );
}

/** Keeps the largest of each number that `sample` gives, until it is stopped. */
function watch(sample) {
  const peak = { heapBytes: 0, bufferBytes: 0, bothBytes: 0 };
  const look = () => {
    const { heapBytes, bufferBytes } = sample();
    const now = { heapBytes, bufferBytes, bothBytes: heapBytes + bufferBytes };
    for (const name of Object.keys(peak)) peak[name] = Math.max(peak[name], now[name]);
  };
  const timer = setInterval(look, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    look();
    return peak;
  };
}

async function inNode() {
  const { loadModel } = await import("../dist/index.js");
  const stop = watch(() => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return { heapBytes: heapUsed, bufferBytes: arrayBuffers };
  });
  const start = performance.now();
  const model = await loadModel(file, LOAD);
  const loaded = performance.now();
  const peak = stop();
  const tokens = [];
  for await (const { token } of model.generate(PROMPT, { temperature: 0, maxTokens: TOKENS })) tokens.push(token);
  const times = { loadSeconds: (loaded - start) / 1000, seconds: (performance.now() - loaded) / 1000 };
  peak.residentBytes = residentPeak("self");
  process.send({ label: "Node, from the file", ...times, device: model.device, tokens, peak }, () => process.exit());
}

async function inChromium() {
  const profile = mkdtempSync(path.join(tmpdir(), "tandem-large-"));
  const folders = { dist: fileURLToPath(new URL("../dist", import.meta.url)), model: path.dirname(path.resolve(file)) };
  const server = await servePages(folders, { isolated: true });
  const context = await launchWithProfile(profile);
  try {
    const runs = [];
    for (const label of ["Chromium, from the server into OPFS", "Chromium, from OPFS"]) {
      const page = await context.newPage();
      page.setDefaultTimeout(0);
      await page.goto(server.url);
      runs.push({ label, ...(await inPage(page)) });
      report(runs.at(-1));
      await page.close();
      delete folders.model; // nothing but OPFS has it now
    }
    return runs;
  } finally {
    await context.close();
    server.close();
    rmSync(profile, { recursive: true });
  }
}

async function inPage(page) {
  await page.addScriptTag({ type: "module", content: 'import * as tandem from "/dist/browser/index.js"; window.tandem = tandem;' });
  await page.waitForFunction(() => window.tandem);
  const stop = watch(await followHeaps(page));
  const load = async ([url, options]) => {
    const start = performance.now();
    window.model = await window.tandem.loadModel(url, options);
    return { loadSeconds: (performance.now() - start) / 1000, device: window.model.device };
  };
  const loaded = await page.evaluate(load, [`/model/${path.basename(file)}`, LOAD]);
  const peak = stop();
  const generate = async ([prompt, maxTokens]) => {
    const start = performance.now();
    const tokens = [];
    for await (const { token } of window.model.generate(prompt, { temperature: 0, maxTokens })) tokens.push(token);
    return { seconds: (performance.now() - start) / 1000, tokens };
  };
  const generated = await page.evaluate(generate, [PROMPT, TOKENS]);
  peak.residentBytes = await rendererPeak(page);
  return { ...loaded, ...generated, peak };
}

/** Of the page's process, the largest of those that show pages. */
async function rendererPeak(page) {
  const session = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ id }) => residentPeak(id)));
}

/** The most that a process has had in memory, by Linux's account; 0 elsewhere. */
function residentPeak(pid) {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
  } catch {
    return 0;
  }
}
