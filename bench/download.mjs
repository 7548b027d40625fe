// Downloads a model from a server on this machine into an empty cache, loads it, loads it again from the cache, and takes the peak of memory.
//   npm run build && node dist/cli.js synth qwen35-0.8b -o big.gguf && node bench/download.mjs big.gguf
// Prints bytes and time of both loads, and the peaks of the JS heap, of buffers outside it, and of resident memory (which holds the weights).

import { fork } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [path, role] = process.argv.slice(2);
const { size } = statSync(path);
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

if (role === "server") serve();
else await measure();

/** A process of its own: what it needs shall not count. */
function serve() {
  let sentBytes = 0;
  const server = createServer((request, response) => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range).map(Number);
    sentBytes += end + 1 - start;
    const headers = { "content-range": `bytes ${start}-${end}/${size}`, "content-length": end + 1 - start, etag: '"1"' };
    createReadStream(path, { start, end }).pipe(response.writeHead(206, headers));
  });
  server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
  process.on("message", () => process.send({ sentBytes }));
}

async function measure() {
  const { loadModel } = await import("../dist/index.js");
  const cacheFolder = mkdtempSync(join(tmpdir(), "tandem-download-"));
  const server = fork(import.meta.filename, [path, "server"]);
  const reply = () => new Promise((resolve) => server.once("message", resolve));
  const { port } = await reply();
  try {
    for (const label of ["from the server", "from the cache"]) {
      const peak = { heapUsed: 0, arrayBuffers: 0, rss: 0 };
      const sample = () => {
        const now = process.memoryUsage();
        for (const key of Object.keys(peak)) peak[key] = Math.max(peak[key], now[key]);
      };
      const timer = setInterval(sample, 5);
      const start = performance.now();
      const phases = new Map();
      const onProgress = ({ phase }) => phases.set(phase, performance.now());
      const model = await loadModel(`http://127.0.0.1:${port}/model.gguf`, { threads: 2, download: { cacheFolder }, onProgress });
      clearInterval(timer);
      sample();
      model.dispose();
      server.send("sent");
      const { sentBytes } = await reply();
      const times = [...phases].map(([phase, end]) => `${phase} until ${((end - start) / 1000).toFixed(1)} s`).join(", ");
      console.log(`${label}: ${mib(size)}, ${times}; ${sentBytes} of ${size} bytes sent so far`);
      console.log(`  peaks: JS heap ${mib(peak.heapUsed)}, buffers ${mib(peak.arrayBuffers)}, resident ${mib(peak.rss)}`);
    }
  } finally {
    server.kill();
    rmSync(cacheFolder, { recursive: true });
  }
}
