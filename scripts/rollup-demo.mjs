/** Rollup plugins of the demo page. */

import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const MODEL = "examples/models/qwen3next-mini-q4_k_m.gguf";

/** `import "tandem-llm"` means the sources, as they will be published. */
export function ownPackage(file) {
  return { name: "tandem-own-package", resolveId: (source) => (source === "tandem-llm" ? path.resolve(file) : null) };
}

/** The page and its style beside the script, and the example model where the checkout has it. */
export function demoFiles(folder) {
  return {
    name: "tandem-demo-files",
    generateBundle() {
      const uplot = readFileSync(require.resolve("uplot/dist/uPlot.min.css"), "utf8");
      this.emitFile({ type: "asset", fileName: "index.html", source: readFileSync(path.join(folder, "index.html")) });
      this.emitFile({ type: "asset", fileName: "app.css", source: uplot + readFileSync(path.join(folder, "app.css"), "utf8") });
    },
    writeBundle({ dir }) {
      if (!existsSync(MODEL)) return;
      mkdirSync(path.join(dir, "models"), { recursive: true });
      cpSync(MODEL, path.join(dir, "models", path.basename(MODEL)));
    },
  };
}
