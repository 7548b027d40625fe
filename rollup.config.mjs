import { chmodSync, readFileSync } from "node:fs";
import path from "node:path";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import esbuild from "rollup-plugin-esbuild";
import { assets } from "./scripts/rollup-assets.mjs";
import { demoFiles, ownPackage } from "./scripts/rollup-demo.mjs";
import { grammarScript } from "./scripts/rollup-grammar.mjs";
import { notices } from "./scripts/rollup-notices.mjs";

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const external = Object.keys(dependencies);

/** A command must be executable where the package is used from its checkout; npm sees to it elsewhere. */
const executable = {
  name: "tandem-executable",
  writeBundle: (options, bundle) => {
    for (const file of Object.values(bundle)) if (file.name === "cli" && file.isEntry) chmodSync(`${options.dir}/${file.fileName}`, 0o755);
  },
};

/** Browsers never come to the lines that import from Node; bundlers must not see them. */
const withoutNode = {
  name: "tandem-without-node",
  resolveId: (source) => (source.startsWith("node:") ? "no-node" : null),
  load: (id) => (id === "no-node" ? { code: "export default {};", syntheticNamedExports: true } : null),
};

/** `import("tandem:worker-script")` gives the worker that was built just before, as text. */
const workerScript = {
  name: "tandem-worker-script",
  resolveId: (source) => (source === "tandem:worker-script" ? "worker-script" : null),
  load: (id) => (id === "worker-script" ? `export default ${JSON.stringify(readFileSync("dist/browser/worker.js", "utf8"))};` : null),
};

/** The worker asks its page for the grammar thread's script. */
const grammarOnDemand = {
  name: "tandem-grammar-on-demand",
  resolveId: (source) => (source === "tandem:grammar-script" ? path.resolve("ts/worker/grammar-script.ts") : null),
};

// Older Safari has no Symbol.dispose: the classes would name their method "undefined", and the lowered `using` not find it.
const intro = 'Symbol.dispose ??= Symbol.for("Symbol.dispose");\nSymbol.asyncDispose ??= Symbol.for("Symbol.asyncDispose");';

/** es2022 is what Node 20 and browsers of 2023 read; `using` is lowered for them. */
const bundled = (options) => [
  notices,
  nodeResolve({ extensions: [".ts", ".mjs", ".js"], browser: options.browser }),
  esbuild({ target: "es2022", tsconfig: false, minify: options.minify, jsx: "automatic", jsxImportSource: "preact" }),
];

const node = {
  input: { index: "ts/index.ts", server: "ts/server/index.ts", cli: "ts/cli/main.ts" },
  output: {
    dir: "dist",
    format: "es",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    generatedCode: "es2015",
    banner: (chunk) => (chunk.name === "cli" && chunk.isEntry ? "#!/usr/bin/env node" : ""),
    intro,
  },
  // Left to npm: shared with the user's own copies, and patched without a release of this package.
  external: (id) => id.startsWith("node:") || external.some((name) => id === name || id.startsWith(`${name}/`)),
  plugins: [assets(), grammarScript(), ...bundled({ browser: false, minify: false }), executable],
};

/** One script with everything in it: a worker has no bundler that could find its parts. */
const worker = {
  input: "ts/worker/engine.ts",
  output: { file: "dist/browser/worker.js", format: "es", inlineDynamicImports: true, generatedCode: "es2015", intro },
  plugins: [grammarOnDemand, assets(), withoutNode, ...bundled({ browser: true, minify: true })],
};

/** What a page imports: small, and the worker's script in a chunk that is fetched when a model is loaded. */
const page = {
  input: { index: "ts/browser.ts" },
  output: {
    dir: "dist/browser",
    format: "es",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    generatedCode: "es2015",
    intro,
  },
  plugins: [workerScript, grammarScript(), assets(), withoutNode, ...bundled({ browser: true, minify: false })],
};

/** The demo, self-contained: its page, style, the library and the example model. */
const demo = {
  input: { app: "examples/browser/app.tsx" },
  output: {
    dir: "dist/page",
    format: "es",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    generatedCode: "es2015",
    intro,
  },
  plugins: [
    ownPackage("ts/browser.ts"),
    demoFiles("examples/browser"),
    workerScript,
    grammarScript(),
    assets(),
    withoutNode,
    ...bundled({ browser: true, minify: true }),
  ],
};

/** `--configNode` builds what Node and Deno run, and no more. */
export default ({ configNode }) => (configNode ? node : [node, worker, page, demo]);
