/** One measurement each, in a process or a page of its own, as { pp, tg } in tokens a second. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromiumPath, launchChromium, servePages } from "../../scripts/chromium.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = path.resolve(here, "../..");
const TIMEOUT_MS = 900_000;

/**
 * llama.cpp starts its second thread anew for every token, often on the core where the first one is spinning, and then falls to a tenth.
 * The real-time scheduler spreads threads at once: all engines run under it, where the system allows it.
 */
const allowed = process.env.REAL_TIME !== "0" && spawnSync("chrt", ["-r", "1", "true"]).status === 0;
export const realTime = allowed ? ["chrt", "-r", "1"] : [];

function inProcess(command, script, job) {
  const file = path.join(job.peers, "job.json");
  writeFileSync(file, JSON.stringify(job));
  const [program, ...args] = [...realTime, ...command, path.join(here, script), file];
  // One thread of libuv, so that llama.cpp is always called from the same.
  const env = { ...process.env, UV_THREADPOOL_SIZE: script === "native.mjs" ? "1" : "4" };
  const out = execFileSync(program, args, { encoding: "utf8", env, timeout: TIMEOUT_MS, stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(out.trim().split("\n").at(-1));
}

/** llama.cpp's best of one thread and of as many as the others get, for each speed by itself. */
function native(job) {
  const runs = [...new Set([1, job.threads])].map((threads) => inProcess([process.execPath], "native.mjs", { ...job, threads }));
  return { pp: Math.max(...runs.map(({ pp }) => pp)), tg: Math.max(...runs.map(({ tg }) => tg)) };
}

/** Chromium under the same scheduler. */
async function realTimeChromium(folder) {
  if (realTime.length === 0) return undefined;
  const file = path.join(folder, "chromium.sh");
  writeFileSync(file, `#!/bin/sh\nexec ${realTime.join(" ")} '${await chromiumPath()}' "$@"\n`, { mode: 0o755 });
  return file;
}

async function inPage(engine, job) {
  const { file, peers, ...rest } = job;
  const folders = { dist: `${root}/dist`, bench: here, models: path.dirname(file), wllama: `${peers}/node_modules/@wllama/wllama/esm` };
  const server = await servePages(folders, { isolated: true });
  const browser = await launchChromium(await realTimeChromium(peers));
  if (!browser) throw new Error("no Chromium");
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.addScriptTag({ type: "module", url: "/bench/pages.mjs" });
    await page.waitForFunction(() => window.run);
    return await page.evaluate(([name, given]) => window.run[name](given), [engine, { ...rest, name: path.basename(file) }]);
  } finally {
    await browser.close();
    server.close();
  }
}

export const engines = {
  native: { name: "llama.cpp, native", run: native },
  node: { name: "Tandem, Node", run: (job) => inProcess([process.execPath], "tandem.mjs", job) },
  deno: { name: "Tandem, Deno", run: (job) => inProcess([path.join(root, "node_modules/deno/deno"), "run", "-A"], "tandem.mjs", job) },
  wllama: { name: "wllama, Chromium", run: (job) => inPage("wllama", job) },
  page: { name: "Tandem, Chromium", run: (job) => inPage("tandem", job) },
};

export async function versions() {
  const deno = execFileSync(path.join(root, "node_modules/deno/deno"), ["--version"], { encoding: "utf8" }).split("\n")[0];
  const browser = await launchChromium();
  const chromium = browser ? `Chromium ${browser.version()}` : "no Chromium";
  await browser?.close();
  return [`Node ${process.versions.node}`, deno, chromium];
}
