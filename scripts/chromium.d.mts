import type { Browser, BrowserContext } from "playwright-core";
export function chromiumPath(): Promise<string>;
export function launchChromium(given?: string): Promise<Browser | undefined>;
export function launchWithProfile(folder: string): Promise<BrowserContext>;
export function servePages(
  folders: Readonly<Record<string, string>>,
  options: { readonly isolated: boolean },
): Promise<{ readonly url: string; close(): void }>;
