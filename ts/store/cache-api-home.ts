import type { FileShape, Home, StoredFile } from "./home.ts";
import { PieceFile, type PieceShelf } from "./piece-file.ts";
import { availableBytes, noRoom } from "./quota.ts";

const NAME = "tandem-models";
/** The Cache API wants addresses. Nothing is ever fetched from this one, which belongs to nobody. */
const BASE = "https://tandem-models.invalid/";

/** Models in the Cache API, for browsers whose private file system is missing or closed: a response for every piece. */
export async function openCacheApiHome(caches: CacheStorage): Promise<Home> {
  return new CacheApiHome(await caches.open(NAME));
}

class CacheApiHome implements Home {
  readonly name = "Cache API";
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  async keys(): Promise<string[]> {
    return [...new Set((await this.#items()).map((item) => item.key))];
  }

  async readInfo(key: string): Promise<string | undefined> {
    return (await this.#cache.match(address(key, "info")))?.text();
  }

  async writeInfo(key: string, text: string): Promise<void> {
    await this.#cache.put(address(key, "info"), new Response(text));
  }

  async open(key: string, shape: FileShape): Promise<StoredFile> {
    const shelf: PieceShelf = {
      name: this.name,
      get: async (piece) => (await this.#cache.match(address(key, piece)))?.blob(),
      put: async (piece, bytes) => {
        const response = new Response(bytes as Uint8Array<ArrayBuffer>);
        await this.#cache.put(address(key, piece), response).catch(async (error: unknown) => {
          throw await noRoom(error, bytes.byteLength);
        });
      },
      // A response that was not received whole is never there.
      pieces: async () => (await this.#items()).filter((item) => item.key === key && item.part !== "info").map(({ part }) => Number(part)),
    };
    return PieceFile.open(shelf, shape);
  }

  async remove(key: string): Promise<void> {
    for (const item of await this.#items()) if (item.key === key) await this.#cache.delete(address(key, item.part));
  }

  availableBytes = availableBytes;

  async #items(): Promise<{ key: string; part: string }[]> {
    return (await this.#cache.keys()).map(({ url }) => {
      const [key, part] = url.slice(BASE.length).split("/").map(decodeURIComponent);
      return { key: key!, part: part! };
    });
  }
}

function address(key: string, part: string | number): string {
  return `${BASE}${encodeURIComponent(key)}/${part}`;
}
