import { copyFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { MODEL, output, ROOT, tool } from "./commands.ts";

const project = inject("project");
const command = path.join(project, "node_modules/.bin/tandem");
const run = (name: string, ...flags: string[]) => output(process.execPath, [...flags, name], project);

/** What the installed command says to the prompt of smoke.mjs. */
const expected = () => {
  const printed = output(command, ["run", "-m", MODEL, "--raw", "--temp", "0", "-n", "12", "--json", "PostgreSQL is"], project);
  const { text, tokens } = JSON.parse(printed) as { text: string; tokens: number[] };
  return { text, tokens, simd: true, damaged: "GgufError gguf" };
};

describe("the installed package", () => {
  beforeAll(() => {
    copyFileSync(path.join(ROOT, "tests/package/smoke.mjs"), path.join(project, "smoke.mjs"));
    const print = (input: string) => `console.log(JSON.stringify(await smoke(tandem, ${input})));`;
    const bytes = `new Uint8Array(await readFile(${JSON.stringify(MODEL)}))`;
    const files: Record<string, string> = {
      "esm.mjs": `import * as tandem from "tandem-llm"; ${print(JSON.stringify(MODEL))}`,
      "engine.mjs": `import * as tandem from "tandem-llm/engine"; ${print(JSON.stringify(MODEL))}`,
      "common.cjs": `(async () => { const tandem = await import("tandem-llm"); ${print(JSON.stringify(MODEL))} })();`,
      "bundle.mjs": `import { readFile } from "node:fs/promises"; import * as tandem from "./node_modules/tandem-llm/dist/browser/index.js"; ${print(bytes)}`,
    };
    for (const [name, text] of Object.entries(files)) {
      const imports = name.endsWith(".cjs") ? 'const load = import("./smoke.mjs");' : 'import { smoke } from "./smoke.mjs";';
      const body = name.endsWith(".cjs") ? text.replace("await smoke(", "await (await load).smoke(") : text;
      writeFileSync(path.join(project, name), `${imports}\n${body}\n`);
    }
  });

  it.each(["esm.mjs", "engine.mjs", "common.cjs"])("answers in Node: %s", (name) => {
    expect(JSON.parse(run(name))).toEqual(expected());
  });

  it.each(["esm.mjs", "bundle.mjs"])("answers in Deno: %s", (name) => {
    expect(JSON.parse(tool("deno", ["run", "-A", "--node-modules-dir=manual", name], project))).toEqual(expected());
  });

  it("has a command that helps whoever has no model yet", () => {
    const message = (() => {
      try {
        return output(command, ["run", "hello"], project);
      } catch (error) {
        return String(error);
      }
    })();
    expect(message).toContain("status 2");
    expect(message).toMatch(/-m\/--model: wanted a GGUF file, got none/);
    expect(message).toMatch(/hf:owner\/repo/);
    expect(output(command, ["--version"], project).trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
