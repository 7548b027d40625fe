import type { Home } from "./home.ts";

/** Where downloaded models are kept. */
export interface CacheOptions {
  /** The folder of cached models in Node, Deno and Electron. Default: TANDEM_CACHE, or `tandem` in XDG_CACHE_HOME or ~/.cache. */
  readonly cacheFolder?: string;
}

/** The home of cached models on this platform: a folder, OPFS, the Cache API, in this order; undefined where a page may keep nothing. */
export async function openHome({ cacheFolder }: CacheOptions = {}): Promise<Home | undefined> {
  if (globalThis.process?.versions?.node !== undefined) {
    const { openFolderHome } = await import("./folder-home.ts");
    return openFolderHome(cacheFolder);
  }
  // A private window may have the API and refuse to open it.
  const root = await globalThis.navigator?.storage?.getDirectory?.().catch(() => undefined);
  if (root) {
    const { openOpfsHome } = await import("./opfs-home.ts");
    return openOpfsHome(root);
  }
  if (!globalThis.caches) return undefined;
  const { openCacheApiHome } = await import("./cache-api-home.ts");
  return openCacheApiHome(caches).catch(() => undefined);
}
