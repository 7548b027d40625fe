/**
 * Rollup (and Vite) plugin: `import script from "tandem:grammar-script"` gives a function that gives the grammar thread's script, as text.
 * The script is ts/api/grammar/serve.ts with xgrammar, made here, since a thread that starts from text has no bundler that finds its parts.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { addNotice } from "./rollup-notices.mjs";

const SOURCE = "tandem:grammar-script";
const ENTRY = fileURLToPath(new URL("../ts/api/grammar/serve.ts", import.meta.url));

export function grammarScript() {
  return {
    name: "tandem-grammar-script",
    enforce: "pre",
    resolveId: (source) => (source === SOURCE ? "\0grammar-script" : null),
    async load(id) {
      if (id !== "\0grammar-script") return null;
      const { outputFiles } = await build({
        ...{ entryPoints: [ENTRY], bundle: true, write: false, minify: true, target: "es2022" },
        ...{ format: "iife", globalName: "grammarScript", plugins: [xgrammar] },
      });
      return `export default async () => ${JSON.stringify(outputFiles[0].text)};`;
    },
  };
}

/**
 * esbuild plugin: `import instantiate from "xgrammar:binding"` gives the function that makes an instance of xgrammar's WebAssembly module.
 * @mlc-ai/web-xgrammar 0.1.27 says that it is an ES module, but its file is CommonJS, and the class layer in it hides what is needed here:
 * its calls are asynchronous for no reason, and an instance that a bad grammar has aborted cannot be replaced.
 */
const xgrammar = {
  name: "xgrammar-binding",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^xgrammar:binding$/ }, ({ path }) => ({ path, namespace: "xgrammar" }));
    onLoad({ filter: /./, namespace: "xgrammar" }, () => ({ contents: bindingModule() }));
  },
};

function bindingModule() {
  const path = createRequire(import.meta.url).resolve("@mlc-ai/web-xgrammar");
  addNotice(path);
  let text = readFileSync(path, "utf8");
  // No file is read and no process touched: the WebAssembly is inlined, and a page's path is the same everywhere.
  text = replaced(text, "await import('module')", "{}");
  text = replaced(text, "require('u' + 'rl').pathToFileURL(__filename).href", '""');
  text = replaced(text, "exports.default = index;", "exports.instantiate = Module;");
  text = text.replace(/^\/\/# sourceMappingURL.*$/m, "");
  const environment = 'undefined, undefined, { href: "" }, {}, undefined';
  return `const exports = {};\nconst module = { exports };\n(function (process, document, location, window, importScripts) {\n${text}\n})(${environment});\nexport default exports.instantiate;`;
}

function replaced(text, from, to) {
  if (!text.includes(from))
    throw new Error(`@mlc-ai/web-xgrammar: ${JSON.stringify(from)} is not in its file: adapt this plugin to its new version`);
  return text.replaceAll(from, to);
}
