import { createReadStream, existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page, type Worker } from "playwright-core";

/** An extension's page, with what its service worker says where there is one. */
export interface OpenPanel {
  readonly page: Page;
  readonly background: Worker | undefined;
  close(): Promise<void>;
}

/**
 * The page in a Chromium that loads extensions: TANDEM_CHROMIUM, or the system's. Undefined, and loud about it, where there is none: the
 * headless shell of @sparticuz/chromium loads none.
 */
export async function openExtension(folder: string): Promise<OpenPanel | undefined> {
  const executablePath = [process.env.TANDEM_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
    (candidate) => candidate && existsSync(candidate),
  );
  const skip = (why: string) => void console.warn(`SKIPPED: no Chromium here that loads extensions (${why}): set TANDEM_CHROMIUM to one`);
  if (!executablePath) return skip("none found");
  const profile = mkdtempSync(path.join(tmpdir(), "tandem-profile-"));
  const args = ["--no-sandbox", `--disable-extensions-except=${folder}`, `--load-extension=${folder}`];
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  const background =
    context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: 10_000 }).catch(() => undefined));
  if (!background) {
    await close();
    return skip(executablePath);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`chrome-extension://${new URL(background.url()).host}/panel.html`);
  return { page, background, close };
}

interface Manifest {
  readonly content_security_policy: { readonly extension_pages: string };
  readonly cross_origin_embedder_policy: { readonly value: string };
  readonly cross_origin_opener_policy: { readonly value: string };
}
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

/** The same page from a server, under the policy and with the headers of its manifest: what any Chromium can run of it. */
export async function openAsPage(browser: Browser, folder: string): Promise<OpenPanel> {
  const manifest = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")) as Manifest;
  const headers = {
    "Content-Security-Policy": manifest.content_security_policy.extension_pages,
    "Cross-Origin-Embedder-Policy": manifest.cross_origin_embedder_policy.value,
    "Cross-Origin-Opener-Policy": manifest.cross_origin_opener_policy.value,
  };
  const server = createServer((request, response) => {
    const file = path.join(folder, path.normalize(new URL(request.url ?? "/", "http://localhost").pathname));
    if (!existsSync(file)) return void response.writeHead(404, headers).end();
    response.writeHead(200, { ...headers, "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.addInitScript(() => {
    const area = (storage: Storage) => ({
      get: async (key: string) => (key in storage ? { [key]: storage[key] } : {}),
      set: async (items: Record<string, string>) => void Object.assign(storage, items),
      remove: async (key: string) => storage.removeItem(key),
      onChanged: { addListener: () => undefined },
    });
    Object.assign(window, { chrome: { storage: { session: area(sessionStorage), local: area(localStorage) } } });
  });
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/panel.html`);
  const close = async () => {
    await context.close();
    server.close();
  };
  return { page, background: undefined, close };
}
