/** Headless Chromium and a server for pages in it, for tests and benchmarks. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

/** What makes a page cross-origin isolated, so that threads can share memory. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const TYPES = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Chromium out of @sparticuz/chromium, or the one at TANDEM_CHROMIUM. */
export async function chromiumPath() {
  return process.env.TANDEM_CHROMIUM ?? (await (await import("@sparticuz/chromium")).default.executablePath());
}

const SWIFTSHADER = [
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-webgpu-adapter=swiftshader",
  "--enable-unsafe-swiftshader",
];
const launchOptions = (executablePath) => ({ executablePath, headless: true, args: ["--no-sandbox", ...SWIFTSHADER] });

/** A browser that keeps what its pages store in a folder; without one everything is kept in memory, of which the quota is a part. */
export async function launchWithProfile(folder) {
  const { chromium } = await import("playwright-core");
  return chromium.launchPersistentContext(folder, { ...launchOptions(await chromiumPath()), locale: "en-US" });
}

/**
 * A browser, with SwiftShader for a GPU. Undefined, and loud about it, where there is none.
 * @param {string} [given]  another executable than that of chromiumPath
 * @returns {Promise<import("playwright-core").Browser | undefined>}
 */
export async function launchChromium(given) {
  try {
    const { chromium } = await import("playwright-core");
    return await chromium.launch(launchOptions(given ?? (await chromiumPath())));
  } catch (error) {
    console.warn(`SKIPPED: no Chromium here (${String(error).split("\n")[0]}): set TANDEM_CHROMIUM to one`);
    return undefined;
  }
}

/**
 * Serves folders by the first part of the path, and parts of files where asked; `/` as an empty page; isolated or not as its port says.
 * @param {Record<string, string>} folders  e.g. { dist: "/package/dist" } for /dist/browser/index.js
 * @param {{ isolated: boolean }} options
 */
export async function servePages(folders, { isolated }) {
  const server = createServer((request, response) => {
    const headers = { ...(isolated ? ISOLATION : {}), "Cache-Control": "no-store" };
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/") {
      response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end('<!doctype html><link rel="icon" href="data:,">');
      return;
    }
    const [, first, ...rest] = decodeURIComponent(pathname).split("/");
    const folder = folders[first ?? ""];
    const file = folder && path.join(folder, ...rest);
    if (!file || rest.includes("..") || !existsSync(file)) {
      response.writeHead(404, headers).end();
      return;
    }
    const type = TYPES[path.extname(file)] ?? "application/octet-stream";
    const { size } = statSync(file);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]), size - 1)] : [0, size - 1];
    const part = range ? { "Content-Range": `bytes ${start}-${end}/${size}` } : {};
    response.writeHead(range ? 206 : 200, { ...headers, ...part, "Content-Type": type, "Content-Length": end + 1 - start });
    createReadStream(file, { start, end }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return { url: `http://localhost:${server.address().port}/`, close: () => void server.close() };
}
