import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchChromium } from "../../scripts/chromium.mjs";
import type { FileServer } from "../files/server.ts";
import { seriousViolations } from "./axe.ts";
import * as demo from "./demo.ts";

const browser: Browser | undefined = await launchChromium();
afterAll(() => browser?.close());

describe.skipIf(!browser)("the demo page", () => {
  let server: FileServer;
  let page: Page;
  let said: string[];
  beforeAll(async () => {
    server = await demo.serveDemo({ isolated: true });
    [page, said] = await demo.openDemo(browser!, server);
  });
  afterAll(async () => {
    await page.context().close();
    await server.stop();
  });

  it("plans with the header alone: splits and the picture follow the slider", async () => {
    expect(await demo.planOf(page)).toEqual({ splits: 1, crossings: 0 });
    const sent = server.sentBytes;
    const seen = [];
    for (const layers of [4, 8]) {
      await demo.setGpuLayers(page, layers);
      await demo.plannedFor(page, layers);
      seen.push([await demo.planOf(page), await demo.pictureOf(page)]);
    }
    expect(seen).toEqual([
      [
        { splits: 3, crossings: 2 },
        { boxes: 3, arrows: 2 },
      ],
      [
        { splits: 1, crossings: 0 },
        { boxes: 1, arrows: 0 },
      ],
    ]);
    await page.getByRole("spinbutton", { name: "Splits at most" }).fill("2");
    await demo.setGpuLayers(page, 4);
    await page.getByText("(split_budget)").waitFor();
    await page.getByRole("spinbutton", { name: "Splits at most" }).fill("");
    await demo.setGpuLayers(page, 0);
    expect(server.sentBytes).toBe(sent);
  });

  it("streams the model in and answers as the command does", async () => {
    const ready = demo.load(page);
    await page.getByText(/^(Downloading|Loading): .* of 2\d\.\d MiB/).waitFor();
    await ready;
    await demo.setGreedy(page, demo.TOKENS);
    await demo.ask(page, demo.QUESTION);
    expect(await demo.answerOf(page)).toBe(demo.commandAnswer(demo.QUESTION, demo.TOKENS));
  });

  it("regenerates, edits and stops", async () => {
    const first = await demo.answerOf(page);
    await page.getByRole("button", { name: "Regenerate" }).click();
    expect(await demo.answerOf(page)).toBe(first);
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Edited message" }).fill("What is the package vim?");
    await page.getByRole("spinbutton", { name: "Tokens at most" }).fill("");
    const stopped = demo.stopAtOnce(page);
    await page.locator(".message.user").getByRole("button", { name: "Send" }).click();
    await stopped;
    await page
      .getByText(/stopped|written/)
      .last()
      .waitFor();
    expect(await page.locator(".message").count()).toBe(2);
    expect(await page.locator(".message.user").textContent()).toContain("vim");
    await page.getByRole("button", { name: "Send" }).waitFor();
  });

  it("has no serious violation of WCAG", async () => {
    expect(await seriousViolations(page)).toEqual([]);
  });

  it("starts from OPFS when it is opened again", async () => {
    server.seen.length = 0;
    await page.reload();
    await page.getByText("qwen3next, 8 layers").waitFor();
    await demo.load(page);
    const fetched = server.seen.filter(({ method }) => method === "GET").map(({ path }) => path);
    expect(fetched).toContain("/app.js");
    expect(fetched).not.toContain(demo.MODEL_PATH);
    expect(said).toEqual([]);
  });

  it("offers no example model where the page is served without it", async () => {
    const example = server.files.get(demo.MODEL_PATH)!;
    server.files.delete(demo.MODEL_PATH);
    const [other] = await demo.openDemo(browser!, server);
    await other.getByRole("radio", { name: "File", checked: true }).waitFor();
    expect(await other.getByRole("radio").count()).toBe(2);
    await other.setInputFiles("input[type=file]", { name: "mini.gguf", mimeType: "", buffer: Buffer.from(example.bytes) });
    await other.getByText("qwen3next, 8 layers").waitFor();
    expect(await other.getByRole("alert").count()).toBe(0);
    await other.context().close();
    server.files.set(demo.MODEL_PATH, example);
  });
});
