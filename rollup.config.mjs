import { chmodSync, readFileSync } from "node:fs";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import esbuild from "rollup-plugin-esbuild";
import { assets } from "./scripts/rollup-assets.mjs";
import { xgrammar } from "./scripts/rollup-xgrammar.mjs";

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const external = Object.keys(dependencies);

/** A command must be executable where the package is used from its checkout; npm sees to it elsewhere. */
const executable = {
  name: "tandem-executable",
  writeBundle: (options, bundle) => {
    for (const file of Object.values(bundle)) if (file.name === "cli" && file.isEntry) chmodSync(`${options.dir}/${file.fileName}`, 0o755);
  },
};

export default {
  input: { index: "ts/index.ts", cli: "ts/cli/main.ts" },
  output: {
    dir: "dist",
    format: "es",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    generatedCode: "es2015",
    banner: (chunk) => (chunk.name === "cli" && chunk.isEntry ? "#!/usr/bin/env node" : ""),
    // Older Safari has no Symbol.dispose: the classes would name their method "undefined", and the lowered `using` not find it.
    intro: 'Symbol.dispose ??= Symbol.for("Symbol.dispose");\nSymbol.asyncDispose ??= Symbol.for("Symbol.asyncDispose");',
  },
  // Left to npm: shared with the user's own copies, and patched without a release of this package.
  external: (id) => id.startsWith("node:") || external.some((name) => id === name || id.startsWith(`${name}/`)),
  plugins: [
    assets(),
    xgrammar(),
    nodeResolve({ extensions: [".ts", ".mjs", ".js"] }),
    // es2022 is what Node 20 and browsers of 2023 read; `using` is lowered for them.
    esbuild({ target: "es2022", tsconfig: false }),
    executable,
  ],
};
