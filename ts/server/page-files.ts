import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

/** SharedArrayBuffer, which threads in a page need, asks for the first two. */
const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

/** The built page of this package, where it was built. */
export function builtPage(): string | undefined {
  // This code runs from dist, from dist/chunks, or as ts/server/page-files.ts.
  const places = ["./page", "../page", "../../dist/page"].map((up) => fileURLToPath(new URL(up, import.meta.url)));
  return places.find((place) => existsSync(join(place, "index.html")));
}

/** The files of a folder by their URL paths, decoded; a path that is not in the list leads nowhere, whatever is written in it. */
export function pageFiles(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  const byUrl = new Map(paths.map((path) => [`/${relative(folder, path).split(sep).join("/")}`, path]));
  const index = byUrl.get("/index.html");
  return index === undefined ? byUrl : byUrl.set("/", index);
}

export async function fileResponse(path: string): Promise<Response> {
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  return new Response(new Uint8Array(await readFile(path)), { headers: { ...HEADERS, "content-type": type } });
}
