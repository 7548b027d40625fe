import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launchChromium, launchWithProfile } from "../../../scripts/chromium.mjs";
import type { FileServer } from "../../files/server.ts";
import { seriousViolations } from "../axe.ts";
import * as demo from "../demo.ts";

/** 100 Mbit/s. */
const LINE_BYTES_PER_SECOND = 12.5e6;

const browser: Browser | undefined = await launchChromium();
afterAll(() => browser?.close());

describe.skipIf(!browser)("the demo page, at length", () => {
  let server: FileServer;
  let page: Page;
  let expected: string;
  beforeAll(() => {
    expected = demo.commandAnswer(demo.QUESTION, demo.TOKENS);
  });
  beforeEach(async () => {
    server = await demo.serveDemo({ isolated: true });
    [page] = await demo.openDemo(browser!, server);
  });
  afterEach(async () => {
    await page.context().close();
    await server.stop();
  });

  it.each([0, 4, 8])("answers as the command does with %i of 8 layers on the GPU", async (layers) => {
    await demo.setGpuLayers(page, layers);
    await demo.load(page);
    await page.getByText(layers === 0 ? "weights on wasm" : `${layers} of 8 layers,`).waitFor();
    await demo.setGreedy(page, demo.TOKENS);
    await demo.ask(page, demo.QUESTION);
    expect(await demo.answerOf(page)).toBe(expected);
  });

  it("loses the GPU in mid-answer, says so, and goes on with the CPU", async () => {
    await demo.setGpuLayers(page, 8);
    await demo.load(page);
    await demo.setGreedy(page, demo.TOKENS);
    await demo.ask(page, demo.QUESTION);
    await page.locator(".message.assistant .markdown").filter({ hasText: /\w/ }).waitFor();
    await Promise.all(page.workers().map((worker) => worker.evaluate(destroyDevice)));
    await page.getByText("(device_lost)").waitFor();
    await page.getByText("Ready after").getByText("weights on wasm").waitFor();
    await page.getByRole("button", { name: "Regenerate" }).click();
    expect(await demo.answerOf(page)).toBe(expected);
  });

  it("keeps the main thread free while it answers", async () => {
    await demo.load(page);
    await demo.setGreedy(page, 100);
    await page.evaluate(() => {
      window.longTasks.length = 0;
    });
    await demo.ask(page, demo.QUESTION);
    expect((await demo.answerOf(page)).length).toBeGreaterThan(200);
    expect(await page.evaluate(() => window.longTasks)).toEqual([]);
  });

  it("sweeps, and saves the table and the plot", async () => {
    await demo.load(page);
    await page.locator("summary", { hasText: "Sweep bench" }).click();
    const panel = page.locator("details", { hasText: "Sweep bench" });
    await panel.getByRole("spinbutton", { name: "Context, tokens" }).fill("128");
    await panel.getByRole("spinbutton", { name: "Ubatch, tokens" }).fill("32");
    await panel.getByRole("button", { name: "Measure" }).click();
    await panel.getByRole("button", { name: "Measure" }).waitFor();
    expect(await panel.locator("tbody tr").count()).toBe(4);
    const save = async (name: string) => {
      const [download] = await Promise.all([page.waitForEvent("download"), panel.getByRole("button", { name }).click()]);
      return readFileSync(await download.path());
    };
    expect((await save("Save CSV")).toString().split("\n")).toHaveLength(6);
    expect((await save("Save PNG")).subarray(1, 4).toString()).toBe("PNG");
  });

  it.each([
    { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
    { colorScheme: "light", viewport: { width: 390, height: 844 } },
    { colorScheme: "dark", viewport: { width: 390, height: 844 } },
  ] as const)("has no serious violation of WCAG with every panel open: $colorScheme, $viewport.width wide", async (options) => {
    const [other] = await demo.openDemo(browser!, server, options);
    for (const summary of await other.locator("details > summary").all()) await summary.click();
    await demo.load(other);
    await demo.setGreedy(other, 2);
    await demo.ask(other, demo.QUESTION);
    await demo.answerOf(other);
    await demo.setGpuLayers(other, 4);
    await other.getByRole("button", { name: "Load with this placement" }).waitFor();
    expect(await seriousViolations(other)).toEqual([]);
    const scrolled = await other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(scrolled, "sideways").toBe(0);
    await other.context().close();
  });
});

// In a profile on the disk, as a person has it: a private window's files are ten times as slow, and what waits in a connection is lost with it.
describe.skipIf(!browser)("a download of which the connection breaks at 40 %", () => {
  let server: FileServer;
  let folder: string;
  let profile: BrowserContext;
  beforeEach(async () => {
    server = await demo.serveDemo({ isolated: true });
    folder = mkdtempSync(path.join(tmpdir(), "tandem-profile-"));
    profile = await launchWithProfile(folder);
  });
  afterEach(async () => {
    await profile.close();
    rmSync(folder, { recursive: true });
    await server.stop();
  });

  it.each([{ closed: false }, { closed: true }])("fetches less than 1 % twice; the tab is closed: $closed", async ({ closed }) => {
    let page = await demo.openTab(profile, server);
    const { length } = server.files.get(demo.MODEL_PATH)!.bytes;
    const sent = () => server.sentOf.get(demo.MODEL_PATH)! / length;
    server.bytesPerSecond = LINE_BYTES_PER_SECOND;
    server.cutAt = server.sentBytes + (0.4 - sent()) * length;
    server.staysDown = true;
    const cut = new Promise<void>((resolve) => {
      server.beforeCut = async () => resolve();
    });
    await page.getByRole("button", { name: "Load", exact: true }).click();
    await cut;
    expect(sent()).toBeCloseTo(0.4, 2);
    if (closed) await page.close();
    else await page.getByText("(network)").waitFor();
    server.comeBack();
    if (closed) page = await demo.openTab(profile, server);
    await demo.load(page);
    expect(sent() - 1).toBeLessThan(0.01);
  });
});

it.skipIf(!browser)("a page that is not cross-origin isolated works on one thread and says why", async () => {
  const server = await demo.serveDemo({ isolated: false });
  const [page, said] = await demo.openDemo(browser!, server);
  await page.getByRole("button", { name: "Load", exact: true }).click();
  await page.getByText("1 thread)").waitFor();
  await demo.setGreedy(page, demo.TOKENS);
  await demo.ask(page, demo.QUESTION);
  expect(await demo.answerOf(page)).toBe(demo.commandAnswer(demo.QUESTION, demo.TOKENS));
  await page.locator("summary", { hasText: /^This browser$/ }).click();
  await page.getByText("Cross-Origin-Opener-Policy: same-origin").waitFor();
  expect(said.filter((line) => !line.startsWith("tandem: one CPU thread only."))).toEqual([]);
  await page.context().close();
  await server.stop();
});

/** Runs in a worker: its next use of a GPU ends the device. */
function destroyDevice(): void {
  const { createCommandEncoder } = GPUDevice.prototype;
  GPUDevice.prototype.createCommandEncoder = function (this: GPUDevice, ...args) {
    this.destroy();
    return createCommandEncoder.apply(this, args);
  };
}
