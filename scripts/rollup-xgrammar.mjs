/**
 * Rollup (and Vite) plugin: `import instantiate from "xgrammar:binding"` gives the function that makes an instance of xgrammar's WebAssembly
 * module. @mlc-ai/web-xgrammar 0.1.27 says that it is an ES module, but its file is CommonJS, and the class layer in it hides what is needed
 * here: its calls are asynchronous for no reason, and an instance that a bad grammar has aborted cannot be replaced.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const SOURCE = "xgrammar:binding";
const ID = "\0xgrammar-binding";

export function xgrammar() {
  return {
    name: "tandem-xgrammar",
    enforce: "pre",
    resolveId: (source) => (source === SOURCE ? ID : null),
    load(id) {
      if (id !== ID) return null;
      let text = readFileSync(createRequire(import.meta.url).resolve("@mlc-ai/web-xgrammar"), "utf8");
      // No file is read and no process touched: the WebAssembly is inlined, and a page's path is the same everywhere.
      text = replaced(text, "await import('module')", "{}");
      text = replaced(text, "require('u' + 'rl').pathToFileURL(__filename).href", '""');
      text = replaced(text, "exports.default = index;", "exports.instantiate = Module;");
      text = text.replace(/^\/\/# sourceMappingURL.*$/m, "");
      const environment = 'undefined, undefined, { href: "" }, {}, undefined';
      return `const exports = {};\nconst module = { exports };\n(function (process, document, location, window, importScripts) {\n${text}\n})(${environment});\nexport default exports.instantiate;`;
    },
  };
}

function replaced(text, from, to) {
  if (!text.includes(from))
    throw new Error(`@mlc-ai/web-xgrammar: ${JSON.stringify(from)} is not in its file: adapt this plugin to its new version`);
  return text.replaceAll(from, to);
}
