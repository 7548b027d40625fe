/**
 * Rollup (and Vite) plugin: `import bytes from "x.wasm"` gives a Uint8Array, `import text from "x.wgsl"` a string.
 * Inlined, because a library that must fetch its own files breaks in bundlers, workers, Deno and Electron in four different ways;
 * base64 costs a third more bytes before gzip and next to nothing after it.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The id under which a file becomes a module: it must not end in .wasm, or test runners load it by their own lights. */
const PREFIX = "\0tandem-asset:";
const SUFFIX = "?module";

export function assets() {
  return {
    name: "tandem-assets",
    enforce: "pre",
    resolveId(source, importer) {
      if (!/\.(wasm|wgsl)$/.test(source) || !importer) return null;
      return PREFIX + resolve(dirname(importer.split("?")[0]), source) + SUFFIX;
    },
    load(id) {
      if (!id.startsWith(PREFIX)) return null;
      const path = id.slice(PREFIX.length, -SUFFIX.length);
      this.addWatchFile?.(path);
      if (path.endsWith(".wgsl")) return `export default ${JSON.stringify(readFileSync(path, "utf8"))};`;
      const base64 = readFileSync(path).toString("base64");
      return `const text = atob("${base64}");\nconst bytes = new Uint8Array(text.length);\nfor (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);\nexport default bytes;`;
    },
  };
}
