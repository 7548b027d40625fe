/**
 * What a page downloads before its model, compressed; fails above the budget.
 *   npm run build && npm run size
 */
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 400_000;

const kb = (bytes) => `${(bytes / 1000).toFixed(1).padStart(7)} kB`;
const measure = (bytes) => ({ raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length });
const folder = (path, pattern) =>
  readdirSync(path)
    .filter((name) => pattern.test(name))
    .map((name) => `${path}/${name}`);
const all = (paths) => measure(Buffer.concat(paths.map((path) => readFileSync(path))));
const row = (name, { raw, gzip }) => console.log(`${name.padEnd(46)} ${kb(raw)} ${kb(gzip)}`);

console.log(`${"".padEnd(46)} ${"raw".padStart(10)} ${"gzip".padStart(10)}`);
// Fetched when an answer is constrained for the first time.
const onDemand = folder("dist/browser/chunks", /^_grammar-script.*\.js$/);
const page = ["dist/browser/index.js", ...folder("dist/browser/chunks", /\.js$/).filter((path) => !onDemand.includes(path))];
for (const path of page) row(path, all([path]));
for (const path of onDemand) row(`${path} (on demand)`, all([path]));
console.log("of which, in the worker:");
for (const build of ["simd", "relaxed"]) row(`  kernels, ${build}`, all([`build/kernels.${build}.wasm`]));
row("  shaders", all([...folder("gpu", /\.wgsl$/), ...folder("gpu/weights", /\.wgsl$/)]));
const total = page.map((path) => all([path]).gzip).reduce((a, b) => a + b);
console.log(`engine without model: ${kb(total).trim()} of ${kb(BUDGET_BYTES).trim()} (gzip)`);
if (total > BUDGET_BYTES) {
  console.error("over the budget: see what grew with `npx rollup -c`, or load it only when it is used");
  process.exitCode = 1;
}
