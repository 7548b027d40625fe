/**
 * A static file server in a few lines, as any host is: `node serve.mjs` with the headers for threads, `node serve.mjs --plain` without.
 * Files of this folder, of `dist/browser` as /tandem/ and of `examples/models` as /models/.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const FOLDERS = { tandem: folder("../../dist/browser"), models: folder("../models") };
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".gguf": "application/octet-stream" };
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const plain = process.argv.includes("--plain");
const port = Number(process.env.PORT ?? 8080);

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  // As they are written: the names here need no decoding, and an encoded ".." stays a name.
  const parts = pathname.split("/").filter(Boolean);
  const [first, ...rest] = parts;
  const file = FOLDERS[first]
    ? path.join(FOLDERS[first], ...rest)
    : path.join(folder("."), ...parts, ...(parts.length ? [] : ["index.html"]));
  if (parts.some((part) => part.includes("..")) || !existsSync(file) || !statSync(file).isFile())
    return void response.writeHead(404).end("not found");
  const headers = { "Content-Type": TYPES[path.extname(file)] ?? "text/plain", "Content-Length": statSync(file).size };
  response.writeHead(200, { ...headers, "Cache-Control": "no-cache", ...(plain ? {} : ISOLATION) });
  createReadStream(file).pipe(response);
});
server.listen(port, () => console.log(`http://localhost:${server.address().port}/ ${plain ? "without" : "with"} the headers for threads`));
