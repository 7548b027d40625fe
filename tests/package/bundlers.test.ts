import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type InlineConfig } from "vite";
import { afterAll, describe, expect, inject, it } from "vitest";
import { launchChromium, servePages } from "../../scripts/chromium.mjs";
import { MODEL, output, ROOT } from "./commands.ts";

const project = inject("project");
const browser = await launchChromium();
afterAll(() => browser?.close());

/** Builds one entry of the newcomer's project with Vite; its output folder. */
async function viteBuild(name: string, files: Record<string, string>, config: InlineConfig): Promise<string> {
  const root = path.join(project, name);
  mkdirSync(root, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(root, file), text);
  await build({ root, configFile: false, logLevel: "warn", ...config });
  return path.join(root, "dist");
}

const SCRIPT = `import * as tandem from "tandem-llm";\nimport { smoke } from "${path.join(ROOT, "tests/package/smoke.mjs")}";
window.answer = smoke(tandem, new URL("/models/${path.basename(MODEL)}", location.href));`;

describe("Vite", () => {
  it.skipIf(!browser)("builds a page that answers in Chromium as the command does in Node", async () => {
    const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>';
    const site = await viteBuild("site", { "index.html": html, "main.js": SCRIPT }, { base: "/site/" });
    const server = await servePages({ site, models: path.dirname(MODEL) }, { isolated: false });
    const page = await browser!.newPage();
    await page.goto(`${server.url}site/index.html`);
    const answer = await page.evaluate(() => (window as unknown as { answer: Promise<{ text: string; damaged: string }> }).answer);
    await page.close();
    server.close();
    const args = ["run", "-m", MODEL, "--raw", "--temp", "0", "-n", "12", "--json", "PostgreSQL is"];
    const { text } = JSON.parse(output(path.join(project, "node_modules/.bin/tandem"), args, project)) as { text: string };
    expect(answer).toMatchObject({ text, damaged: "GgufError gguf" });
  });

  const SSR =
    'import { GgufError, loadModel, Sampler } from "tandem-llm";\nexport const names = [loadModel.name, Sampler.name, new GgufError("x").code];';

  it.each([
    { platform: "node", conditions: ["node", "import", "default"] },
    { platform: "edge", conditions: ["browser", "import", "default"] },
  ])("renders on a server ($platform) without touching the platform at import", async ({ platform, conditions }) => {
    const name = `ssr-${platform}`;
    const out = await viteBuild(
      name,
      { "entry.js": SSR },
      {
        build: { ssr: "entry.js" },
        ssr: { noExternal: true, resolve: { conditions } },
      },
    );
    const script = readdirSync(out).find((file) => file.startsWith("entry"))!;
    writeFileSync(path.join(project, "untouched.mjs"), UNTOUCHED);
    const printed = output(process.execPath, ["untouched.mjs", pathToFileURL(path.join(out, script)).href], project);
    expect(JSON.parse(printed)).toEqual(["loadModel", "Sampler", "gguf"]);
  });

  it("leaves out what is not imported", async () => {
    const entry = 'import { openGguf } from "tandem-llm";\nconsole.log(openGguf);';
    const sizes: Record<string, { first: number; lazy: number }> = {};
    for (const conditions of [["node"], ["browser"]]) {
      const name = `shaken-${conditions[0]}`;
      const out = await viteBuild(
        name,
        { "entry.js": entry },
        {
          build: { ssr: "entry.js", minify: true },
          ssr: { noExternal: true, resolve: { conditions: [...conditions, "import", "default"] } },
        },
      );
      sizes[name] = { first: gzipped(reachable(path.join(out, "entry.js"))), lazy: gzipped(scripts(out)) };
    }
    console.log("import { openGguf }: gzip bytes, without and with what is loaded on demand", sizes);
    for (const { first } of Object.values(sizes)) expect(first).toBeLessThan(24_000);
  });
});

/** Imports its argument while every one of these throws. */
const UNTOUCHED = `
for (const name of ["navigator", "Worker", "WebAssembly", "SharedArrayBuffer", "document", "window", "fetch", "caches"])
  Object.defineProperty(globalThis, name, { configurable: true, get() { throw new Error(name + " touched at import"); } });
console.log(JSON.stringify((await import(process.argv[2])).names));
`;

const gzipped = (paths: readonly string[]) => gzipSync(Buffer.concat(paths.map((file) => readFileSync(file))), { level: 9 }).length;

const scripts = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile());

/** A script and all that it imports before it can run. */
function reachable(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const imports = [...readFileSync(file, "utf8").matchAll(/(?:import|from)\s*["'](\.[^"']+)["']/g)];
  return [file, ...imports.flatMap(([, name]) => reachable(path.join(path.dirname(file), name!), seen))];
}
