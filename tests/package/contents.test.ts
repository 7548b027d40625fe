import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, inject, it } from "vitest";
import { output, ROOT, tool } from "./commands.ts";

const project = inject("project");
const tarball = inject("tarball");
const packed = inject("packed");

it("ships the build and its papers: no sources, models or leftovers", () => {
  const papers = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "dist/THIRD-PARTY-NOTICES.txt"];
  const others = packed.files.map((file) => file.path).filter((name) => !papers.includes(name));
  const page = ["dist/page/app.css", "dist/page/index.html"];
  expect(others.filter((name) => !/^dist\/.+\.(js|d\.ts)$/.test(name)).sort()).toEqual(page);
  const bytesOf = (ofPage: boolean) =>
    packed.files.reduce((sum, { path: name, size }) => (name.startsWith("dist/page/") === ofPage ? sum + size : sum), 0);
  expect(bytesOf(false)).toBeLessThan(6e6);
  expect(bytesOf(true)).toBeLessThan(2.2e6);
});

it("hands on the licences of the packages that it contains", () => {
  const notices = readFileSync(path.join(project, "node_modules/tandem-llm/dist/THIRD-PARTY-NOTICES.txt"), "utf8");
  const contained = ["@huggingface/jinja", "@huggingface/tokenizers", "@mlc-ai/web-xgrammar", "assemblyscript", "preact", "uplot"];
  for (const name of contained) expect(notices).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(.+\\)$`, "m"));
});

it("has every file that its exports and its command name", () => {
  const root = path.join(project, "node_modules/tandem-llm");
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Record<string, unknown>;
  const named = JSON.stringify([manifest.exports, manifest.bin, manifest.main, manifest.types]).match(/(?:\.\/)?dist\/[^"]+/g)!;
  expect(named.length).toBeGreaterThan(8);
  for (const file of named) expect(existsSync(path.join(root, file)), file).toBe(true);
});

it("is clean to publint and @arethetypeswrong/cli", () => {
  expect(tool("publint", [tarball, "--strict"], ROOT)).toContain("All good!");
  // Fails by its exit status. Resolution as in Node 10 knows no exports, and CommonJS imports dynamically: neither is a problem here.
  expect(tool("attw", [tarball, "--profile", "esm-only", "--no-emoji"], ROOT)).toContain("bundler: OK");
});

it("keeps the engine in a page under 400 kB", () => {
  expect(output("npm", ["run", "-s", "size"], ROOT)).toMatch(/engine without model: \d+\.\d kB of 400\.0 kB/);
});

const CONSUMER = `
import { capabilities, GgufError, loadModel, openGguf } from "tandem-llm";
const model = await loadModel(new Blob([]), { gpuLayers: 4 });
const context = await model.createContext({ contextLength: 64 });
const rows: readonly Float32Array[] = await context.decode({ tokens: [1, 2, 3] });
for await (const { text } of model.generate("x")) text.at(0);
const file = await openGguf("x.gguf");
export const all = [rows, file.tensors, new GgufError("x").code, (await capabilities()).simd.available];
// @ts-expect-error: there is no such option
await loadModel("x.gguf", { gpulayers: 4 });
`;

it.each([
  { name: "Node's", options: ["--module", "nodenext"] },
  { name: "a page's", options: ["--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "browser"] },
])("has $name types, also in strict projects that check their libraries", ({ options }) => {
  writeFileSync(path.join(project, "consumer.ts"), CONSUMER);
  const base = [
    "--noEmit",
    "--strict",
    "--target",
    "es2023",
    "--lib",
    "es2023,esnext.disposable,dom,dom.asynciterable",
    "--types",
    "node,@webgpu/types",
  ];
  const roots = [
    "--typeRoots",
    [path.join(ROOT, "node_modules/@types"), path.join(ROOT, "node_modules")].join(","),
    "--skipLibCheck",
    "false",
  ];
  expect(tool("tsc", [...base, ...roots, ...options, "consumer.ts"], project)).toBe("");
});
