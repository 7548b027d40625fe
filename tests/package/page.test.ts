import { spawn } from "node:child_process";
import path from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { launchChromium } from "../../scripts/chromium.mjs";
import { MODEL } from "./commands.ts";

const project = inject("project");
const browser = await launchChromium();
afterAll(() => browser?.close());

it.skipIf(!browser)(
  "the installed command serves a page that runs a file, and offers no example model, which the package does not have",
  async () => {
    const server = spawn(process.execPath, ["node_modules/tandem-llm/dist/cli.js", "serve", "-m", MODEL, "--port", "0", "--json"], {
      cwd: project,
    });
    try {
      const said = await new Promise<string>((resolve) => server.stdout.once("data", (data) => resolve(String(data))));
      const page = await browser!.newPage({ locale: "en-US" });
      await page.goto((JSON.parse(said) as { url: string }).url);
      await page.getByRole("radio", { name: "File", checked: true }).waitFor();
      expect(await page.getByRole("radio").count()).toBe(2);
      await page.setInputFiles("input[type=file]", path.resolve(MODEL));
      await page.getByRole("button", { name: "Load", exact: true }).click();
      await page.getByText("Ready after").waitFor();
      expect(await page.getByRole("alert").count()).toBe(0);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    } finally {
      server.kill();
    }
  },
);
