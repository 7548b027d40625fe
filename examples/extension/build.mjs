/** Puts the extension together in build/: these files, the browser bundle, and the small model. */
import { cpSync, existsSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const build = process.argv[2] ?? file("build");
if (!existsSync(file("../../dist/browser/worker.js"))) throw new Error("build Tandem first: npm ci && npm run build in the repository");

rmSync(build, { recursive: true, force: true });
for (const name of ["manifest.json", "background.js", "panel.html", "panel.css", "panel.js"]) cpSync(file(name), path.join(build, name));
for (const name of ["index.js", "worker.js", "chunks"]) {
  cpSync(file(`../../dist/browser/${name}`), path.join(build, "tandem", name), { recursive: true });
}
const model = "models/qwen3next-mini-q4_k_m.gguf";
cpSync(file(`../${model}`), path.join(build, model));
console.log(`load ${build} as an unpacked extension`);
