import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, describe, expect, inject, it } from "vitest";
import { launchChromium, servePages } from "../../scripts/chromium.mjs";
import { MODEL, output, ROOT, tool } from "./commands.ts";

const browser = await launchChromium();
afterAll(() => browser?.close());

/** A copy of an example, outside the repository, with the packed package for `file:../..`. */
function install(name: string, ...flags: string[]): string {
  const folder = path.join(path.dirname(inject("tarball")), `example-${name}`);
  cpSync(path.join(ROOT, "examples", name), folder, { recursive: true, filter: (source) => !source.includes("node_modules") });
  const manifest = path.join(folder, "package.json");
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace("file:../..", `file:${inject("tarball")}`));
  output("npm", ["install", "--no-audit", "--no-fund", ...flags], folder);
  return folder;
}

const STREAMED = /fully featured object-relational SQL database/;

it("examples/node answers and chats", () => {
  const folder = install("node");
  expect(output("npm", ["start", "-s", "--", MODEL], folder)).toMatch(STREAMED);
  expect(output("npm", ["run", "-s", "chat", "--", MODEL], folder)).toMatch(/nginx/i);
});

it("examples/deno answers, with sound types", () => {
  const folder = install("deno");
  tool("deno", ["check", "answer.ts"], folder);
  expect(tool("deno", ["run", "--allow-read", "--allow-env", "--allow-sys", "answer.ts", MODEL], folder)).toMatch(STREAMED);
  expect(tool("deno", ["run", "--allow-read", "bundle.js"], path.join(ROOT, "examples/deno"))).toMatch(STREAMED);
});

// Without Electron's binary: its types, and the engine's half in Node.
it("examples/electron has sound types, and its engine answers, stops and fails as it should", () => {
  const folder = install("electron", "--ignore-scripts");
  output("npm", ["run", "-s", "typecheck"], folder);
  expect(output("npm", ["run", "-s", "check", "--", MODEL], folder)).toMatch(STREAMED);
});

it.skipIf(!browser)("examples/vite-react builds a page that answers", async () => {
  const folder = install("vite-react");
  output("npm", ["run", "-s", "build"], folder);
  const server = await servePages({ app: path.join(folder, "dist") }, { isolated: true });
  const page = await browser!.newPage();
  await page.goto(`${server.url}app/index.html`);
  await page.setInputFiles("input[type=file]", MODEL);
  await page.click("button[type=submit]:not([disabled])");
  await page.waitForFunction(() => document.querySelector("output")!.textContent!.includes("object-relational SQL database"));
  expect(await page.textContent("[role=status]")).toMatch(/threads?\)/);
  await page.close();
  server.close();
});

describe.skipIf(!browser)("examples/static", () => {
  let server: ChildProcess;
  afterEach(() => void server.kill());

  it.each([
    { flags: [], address: "", isolated: true },
    { flags: ["--plain"], address: "", isolated: false },
    { flags: ["--plain"], address: "?isolate", isolated: true },
  ])("serve.mjs $flags, page $address: threads $isolated", async ({ flags, address, isolated }) => {
    const env = { ...process.env, PORT: "0" };
    server = spawn(process.execPath, ["serve.mjs", ...flags], { cwd: path.join(ROOT, "examples/static"), env });
    const said = await new Promise<string>((resolve) => server.stdout!.once("data", (data) => resolve(String(data))));
    const page = await (await browser!.newContext()).newPage();
    await page.goto(said.split(" ")[0]! + address);
    await page.click("button:not([disabled])");
    await page.waitForFunction(() => document.querySelector("output")!.textContent!.includes("object-relational SQL database"));
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(isolated);
    expect(await page.textContent("#state")).toMatch(isolated ? /[2-9]\d* threads\)/ : /1 thread\)/);
    await page.context().close();
  });
});
