import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { launchChromium, servePages } from "../../scripts/chromium.mjs";
import { FileServer } from "../files/server.ts";
import { MODEL, output, ROOT, tool } from "./commands.ts";
import { ElectronStandIn } from "./electron-stand-in.ts";
import { type OpenPanel, openAsPage, openExtension } from "./extension.ts";

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

/** What the package's command answers in a chat. */
function commandAnswer(tokens: number): string {
  const args = [path.join(ROOT, "dist/cli.js"), "run", "-m", MODEL, "--temp", "0", "-n", `${tokens}`, "--json", QUESTION];
  return (JSON.parse(output(process.execPath, args, ROOT)) as { text: string }).text;
}

const QUESTION = "What is the package nginx?";
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

// Electron's binary cannot be had from the npm registry: its types, both builds over a port of Node, and the files as they are beside a stand-in.
describe("examples/electron", () => {
  let folder: string;
  beforeAll(() => {
    folder = install("electron", "--ignore-scripts");
  });

  it("has sound types, and its two builds answer, stop and fail as they should over a port", () => {
    output("npm", ["run", "-s", "typecheck"], folder);
    expect(output("npm", ["run", "-s", "check", "--", MODEL], folder)).toMatch(STREAMED);
  });

  it.skipIf(!browser)("its page chats with its engine, stops, says when it has died, and gets another by a reload", async () => {
    const electron = await ElectronStandIn.start(folder, MODEL);
    const { page } = electron;
    try {
      const answer = page.locator("#log .assistant");
      const ended = () => page.locator("#send:not([disabled])").waitFor();
      const ask = async () => {
        const before = await answer.count();
        await page.fill("#message", QUESTION);
        await page.click("#send");
        await answer.nth(before).filter({ hasText: /\w/ }).waitFor();
      };
      await electron.load();
      await page.getByText(/thread/).waitFor();
      await page.getByText("8 tokens").waitFor();
      await ask();
      await ended();
      const whole = commandAnswer(256);
      expect(await answer.textContent()).toBe(whole);
      await ask();
      await page.click("#stop");
      await ended();
      expect(await page.textContent("#state")).toMatch(/thread/);
      await ask();
      electron.killEngine();
      await page.fill("#message", QUESTION); // its tokens are counted: should the answer have been over already, this call fails
      await page.getByText(/^backend: port: .* connect with another port/).waitFor();
      await electron.load();
      await ask();
      await ended();
      expect(await answer.textContent()).toBe(whole);
      // The page's policy lets it do nothing of the kind: all WebAssembly is the engine's.
      expect(await page.evaluate(() => window.refused)).toEqual([]);
      const compiled = page.evaluate(() => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(String, String));
      expect(await compiled).toMatch(/Content Security Policy/);
    } finally {
      await electron.close();
    }
  });
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

describe("examples/extension", () => {
  let folder: string;
  beforeAll(() => {
    folder = path.join(path.dirname(inject("tarball")), "extension");
    output(process.execPath, ["build.mjs", folder], path.join(ROOT, "examples/extension"));
  });

  /** Chats with the built-in model on several threads, then with one from an address, which a reload takes from OPFS. */
  async function useIt({ page }: OpenPanel): Promise<void> {
    const ready = () => page.getByText(/[2-9]\d* threads\)/).waitFor();
    await ready();
    await page.fill("#message", QUESTION);
    await page.keyboard.press("Enter");
    await page.locator("#send:not([disabled])").waitFor();
    expect(await page.textContent("#log .assistant")).toBe(commandAnswer(256));
    const server = await FileServer.start();
    const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "*" };
    server.files.set("/model.gguf", { bytes: readFileSync(MODEL), modified: "Mon, 01 Jun 2026 00:00:00 GMT", headers });
    await page.click("summary");
    await page.fill("#source input", server.url("/nothing.gguf"));
    await page.click("#source button");
    await page.getByText(/^network: /).waitFor();
    await page.fill("#source input", server.url("/model.gguf"));
    await page.click("#source button:not([disabled])");
    await ready();
    const { sentBytes } = server;
    expect(sentBytes).toBeGreaterThanOrEqual(readFileSync(MODEL).length);
    await page.reload();
    await ready();
    expect(server.sentBytes).toBe(sentBytes);
    await server.stop();
  }

  it("runs in a Chromium that loads extensions, and opens beside a page with the text that was selected there", async () => {
    const panel = await openExtension(folder);
    if (!panel) return;
    const { page, background } = panel;
    try {
      await useIt(panel);
      await background!.evaluate("chrome.storage.session.set({ selection: 'a web server' })");
      await page.waitForFunction(() => document.querySelector("textarea")!.value.startsWith("a web server"));
      // A click of the user's, as sidePanel.open wants it.
      await page.evaluate(`chrome.windows.getCurrent().then(({ id: windowId }) =>
        document.querySelector("#state").addEventListener("click", () => chrome.sidePanel.open({ windowId })))`);
      await page.click("#state");
      const kinds = () => background!.evaluate("chrome.runtime.getContexts({}).then((all) => all.map(({ contextType }) => contextType))");
      await expect.poll(kinds).toContain("SIDE_PANEL");
    } finally {
      await panel.close();
    }
  });

  it.skipIf(!browser)("runs as a page under its own policy and headers", async () => {
    const panel = await openAsPage(browser!, folder);
    try {
      await useIt(panel);
      const held = panel.page.evaluate(`(async () => {
        const { loadModel } = await import("/tandem/index.js");
        const file = await (await fetch("/models/${path.basename(MODEL)}")).blob();
        const model = await loadModel(file, { workerUrl: "tandem/worker.js", threads: 1 });
        const request = { messages: [{ role: "user", content: "nginx" }], grammar: 'root ::= "yes"' };
        return model.chat.completions.create(request).then(() => "an answer", ({ code }) => code);
      })()`);
      expect(await held).toBe("capability");
    } finally {
      await panel.close();
    }
  });
});
