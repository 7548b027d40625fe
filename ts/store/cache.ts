import { CapabilityError, InvalidArgumentError } from "../errors.ts";
import { readEntry } from "./entry.ts";
import type { Home } from "./home.ts";
import { type CacheOptions, openHome } from "./open-home.ts";
import { heldBytes } from "./pieces.ts";

/** A file in the model cache; each shard of a model is one. */
export interface CachedModel {
  /** As it was loaded: `hf:owner/repo/file.gguf` or a URL without its query; the key of an entry that is damaged. */
  readonly name: string;
  /** Unique, and the name of its folder where the cache is one. */
  readonly key: string;
  /** Of the whole file; 0 for an entry that is damaged. */
  readonly bytes: number;
  /** Kept so far. */
  readonly heldBytes: number;
  readonly complete: boolean;
  /** When its download began. */
  readonly added: Date | undefined;
}

/** The models that were downloaded, complete or not. */
export class ModelCache {
  /** The folder, "OPFS" or "Cache API". */
  readonly place: string;
  readonly #home: Home;

  /** @internal Use openModelCache. */
  constructor(home: Home) {
    this.place = home.name;
    this.#home = home;
  }

  /** Sorted by name. Their `heldBytes` add up to what the cache takes. */
  async list(): Promise<CachedModel[]> {
    const models = await Promise.all((await this.#home.keys()).map((key) => this.#describe(key)));
    return models.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Deletes every file of this name or key; all shards of a model go with one of them. Models in memory are not touched. Gives what was
   * deleted. Throws InvalidArgumentError for a name that is not there.
   */
  async remove(name: string): Promise<CachedModel[]> {
    const models = await this.list();
    const named = models.filter((model) => model.name === name || model.key === name);
    const sets = new Set(named.map((model) => setName(model.name)));
    const removed = models.filter((model) => sets.has(setName(model.name)));
    if (removed.length === 0) {
      const there = models.map((model) => model.name).join(", ") || "nothing";
      throw new InvalidArgumentError(`${name}: wanted a model of the cache (${this.place}), which has ${there}`);
    }
    for (const { key } of removed) await this.#home.remove(key);
    return removed;
  }

  /** Bytes that may still be written there, as far as the platform tells. */
  async availableBytes(): Promise<number | undefined> {
    return this.#home.availableBytes();
  }

  async #describe(key: string): Promise<CachedModel> {
    const info = await readEntry(this.#home, key);
    if (!info) return { name: key, key, bytes: 0, heldBytes: 0, complete: false, added: undefined };
    const { name, bytes, complete, added } = info;
    if (complete) return { name, key, bytes, heldBytes: bytes, complete, added: new Date(added) };
    const file = await this.#home.open(key, info);
    await file.close();
    return { name, key, bytes, heldBytes: heldBytes(info, file.held), complete, added: new Date(added) };
  }
}

/** The cache of this platform. Throws CapabilityError where a page may keep nothing. */
export async function openModelCache(options?: CacheOptions): Promise<ModelCache> {
  const home = await openHome(options);
  if (!home)
    throw new CapabilityError("there is no place to keep models here: wanted OPFS or the Cache API (a private window may lack both)");
  return new ModelCache(home);
}

function setName(name: string): string {
  return name.replace(/-\d{5}-of-(\d{5}\.gguf)$/i, "-of-$1");
}
