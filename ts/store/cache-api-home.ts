import type { FileShape, Home, StoredFile } from "./home.ts";
import { missingPiece, pieceCount } from "./pieces.ts";
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
    const held = new Uint8Array(pieceCount(shape)).fill(shape.complete ? 1 : 0);
    const items = shape.complete ? [] : await this.#items();
    // A response that was not received whole is never there.
    for (const item of items) if (item.key === key && item.part !== "info" && Number(item.part) < held.length) held[Number(item.part)] = 1;
    return new CacheApiFile(this.#cache, key, shape, held);
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

/** A file whose pieces are items of their own: what is there needs no journal, and tabs can read and write at the same time. */
class CacheApiFile implements StoredFile {
  readonly held: Uint8Array;
  readonly #cache: Cache;
  readonly #key: string;
  readonly #shape: FileShape;

  constructor(cache: Cache, key: string, shape: FileShape, held: Uint8Array) {
    this.#cache = cache;
    this.#key = key;
    this.#shape = shape;
    this.held = held;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { pieceBytes } = this.#shape;
    for (let done = 0; done < target.byteLength; ) {
      const piece = Math.floor((offset + done) / pieceBytes);
      const from = offset + done - piece * pieceBytes;
      const bytes = Math.min(pieceBytes - from, target.byteLength - done);
      const blob = await (await this.#cache.match(address(this.#key, piece)))?.blob();
      const part = await blob?.slice(from, from + bytes).arrayBuffer();
      if (part?.byteLength !== bytes) throw missingPiece("Cache API", piece, bytes, part?.byteLength);
      target.set(new Uint8Array(part), done);
      done += bytes;
    }
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    const response = new Response(bytes as Uint8Array<ArrayBuffer>);
    await this.#cache.put(address(this.#key, piece), response).catch(async (error: unknown) => {
      throw await noRoom(error, bytes.byteLength);
    });
    this.held[piece] = 1;
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}

function address(key: string, part: string | number): string {
  return `${BASE}${encodeURIComponent(key)}/${part}`;
}
