/**
 * Pictures of the demo page for the docs, with half of the example model on SwiftShader:
 *   npm run build && node scripts/screenshots.mjs
 */
import { mkdirSync } from "node:fs";
import { launchChromium, servePages } from "./chromium.mjs";

const SIZES = { desktop: { width: 1280, height: 1480 }, phone: { width: 390, height: 844 } };

const browser = await launchChromium();
if (!browser) process.exit(1);
const server = await servePages({ page: "dist/page" }, { isolated: true });
const page = await (await browser.newContext({ locale: "en-US", viewport: SIZES.desktop })).newPage();
page.setDefaultTimeout(120_000);
await page.goto(`${server.url}page/index.html`);
await page.getByText("qwen3next, 8 layers").waitFor();
await page.getByRole("slider", { name: "Layers on the GPU" }).fill("4");
await page.getByRole("button", { name: "Load", exact: true }).click();
await page.getByText("Ready after").waitFor();
await page.locator("summary", { hasText: "Sampling" }).click();
await page.getByRole("spinbutton", { name: "Temperature" }).fill("0");
await page.getByRole("spinbutton", { name: "Tokens at most" }).fill("48");
await page.locator("summary", { hasText: "Sampling" }).click();
await page.getByRole("textbox", { name: "Message", exact: true }).fill("What is the package nginx?");
await page.keyboard.press("Enter");
await page.getByText(/written/).waitFor();
mkdirSync("docs/images", { recursive: true });
for (const [name, viewport] of Object.entries(SIZES)) {
  await page.setViewportSize(viewport);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `docs/images/page-${name}-${colorScheme}.png`, fullPage: name === "phone" });
  }
}
await browser.close();
server.close();
