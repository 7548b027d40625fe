import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { tandem } from "../cli/tandem.ts";
import { FileServer } from "../files/server.ts";

const FOLDER = fileURLToPath(new URL("../../dist/page", import.meta.url));
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
export const MODEL_PATH = "/models/qwen3next-mini-q4_k_m.gguf";
export const QUESTION = "What is the package nginx?";
/** Of answers: SwiftShader takes a second for each. */
export const TOKENS = 12;

/** The built page on a server of files, cross-origin isolated or not. */
export async function serveDemo({ isolated }: { isolated: boolean }): Promise<FileServer> {
  const server = await FileServer.start();
  for (const name of readdirSync(FOLDER, { recursive: true, encoding: "utf8" })) {
    const type = TYPES[path.extname(name)];
    if (!type && !name.endsWith(".gguf")) continue;
    const headers = { "content-type": type ?? "application/octet-stream", ...(isolated ? ISOLATION : {}) };
    server.files.set(`/${name}`, { bytes: readFileSync(path.join(FOLDER, name)), etag: '"1"', headers });
  }
  return server;
}

/** What the page keeps of its main thread, in ms. */
declare global {
  interface Window {
    longTasks: number[];
  }
}

/** The page in a profile of its own, and what it said to the console. */
export async function openDemo(browser: Browser, server: FileServer, options: BrowserContextOptions = {}): Promise<[Page, string[]]> {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1280, height: 900 }, ...options });
  const said: string[] = [];
  context.on("console", (message) => {
    if (/error|warning/.test(message.type())) said.push(message.text());
  });
  context.on("weberror", (error) => said.push(error.error().message));
  return [await openTab(context, server), said];
}

export async function openTab(context: BrowserContext, server: FileServer): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(200_000);
  await page.addInitScript(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) window.longTasks.push(duration);
    }).observe({ type: "longtask" });
  });
  await page.goto(server.url("/index.html"));
  if (server.files.has(MODEL_PATH)) await page.getByText("qwen3next, 8 layers").waitFor();
  return page;
}

export async function setGpuLayers(page: Page, layers: number): Promise<void> {
  await page.getByRole("slider", { name: "Layers on the GPU" }).fill(String(layers));
}

/** Presses Load and waits for the model. */
export async function load(page: Page, threads = 1): Promise<void> {
  await page.getByRole("spinbutton", { name: "CPU threads" }).fill(String(threads));
  await page.getByRole("button", { name: "Load", exact: true }).click();
  await page.getByText("Ready after").waitFor();
}

export async function setGreedy(page: Page, tokens: number): Promise<void> {
  const temperature = page.getByRole("spinbutton", { name: "Temperature" });
  if (!(await temperature.isVisible())) await page.locator("summary", { hasText: "Sampling" }).click();
  await temperature.fill("0");
  await page.getByRole("spinbutton", { name: "Tokens at most" }).fill(String(tokens));
}

export async function ask(page: Page, question: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message", exact: true }).fill(question);
  await page.keyboard.press("Enter");
}

/** Presses Stop as soon as it can be pressed, from inside the page: a short answer may be over before a click from here arrives. */
export function stopAtOnce(page: Page): Promise<void> {
  return page.evaluate(() => {
    return new Promise<void>((resolve) => {
      const look = () => {
        const stop = Array.from(document.querySelectorAll("button")).find((button) => button.textContent === "Stop");
        if (!stop) return void requestAnimationFrame(look);
        stop.click();
        resolve();
      };
      look();
    });
  });
}

/** The last answer, when it has ended. */
export async function answerOf(page: Page): Promise<string> {
  const answer = page.locator(".message.assistant").last();
  await answer
    .getByText(/written/)
    .filter({ hasNotText: "writing" })
    .waitFor();
  return plain((await answer.locator(".markdown").last().textContent()) ?? "");
}

/** What the command answers in Node, on the CPU. */
export function commandAnswer(question: string, tokens: number): string {
  const { stdout, stderr } = tandem(["run", "--temp", "0", "-n", `${tokens}`, "--json", question]);
  if (stdout === "") throw new Error(stderr);
  return plain((JSON.parse(stdout) as { text: string }).text);
}

/** Without line breaks, which markdown does not keep. */
const plain = (text: string) => text.replace(/\s+/g, " ").trim();

/** Waits for the plan to have followed the slider. */
export async function plannedFor(page: Page, layers: number): Promise<void> {
  await page.locator(`.drawing[aria-label*="${layers} of 8 layers"]`).waitFor();
}

/** The plan's counts of splits and crossings. */
export async function planOf(page: Page): Promise<{ splits: number; crossings: number }> {
  const [splits, crossings] = await page.locator(".plan output").allTextContents();
  return { splits: Number(splits), crossings: Number(crossings) };
}

/** Boxes and arrows in the drawing. */
export function pictureOf(page: Page): Promise<{ boxes: number; arrows: number }> {
  return page
    .locator(".drawing > div")
    .first()
    .evaluate(({ shadowRoot }) => {
      const count = (selector: string) => shadowRoot!.querySelectorAll(selector).length;
      return { boxes: count("rect.box"), arrows: count("path.arrow") };
    });
}
