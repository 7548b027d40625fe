import { InvalidArgumentError } from "../../errors.ts";
import type { BackendBuffer } from "../backend.ts";
import type { WasmMemory } from "./memory.ts";

/** A weight [X, N, K] whose experts stay in their file. */
export interface PagedWeight {
  /** Weights of one layer share entries: an expert's gate, up and down come and go together. */
  readonly layer: number;
  /** X. */
  readonly experts: number;
  readonly expertBytes: number;
  /** Fills `target`, shared memory, with one expert of the weight. */
  readonly read: (expert: number, target: Uint8Array) => Promise<void>;
}

/** How a cache of experts has done since the model was loaded. */
export interface ExpertStats {
  /** Experts that runs of layers wanted: found in the cache, and read from the file. */
  readonly hits: number;
  readonly misses: number;
  readonly readBytes: number;
  /** Milliseconds that runs waited for reads. */
  readonly readMs: number;
  /** Experts (gate, up and down) that fit the cache, and all that there are. */
  readonly slots: number;
  readonly experts: number;
}

/** Stands for a weight that has no memory of its own. */
export class PagedBuffer implements BackendBuffer {
  readonly bytes = 0;
  readonly weight: PagedWeight;
  /** Where the weight's part begins in an entry. */
  readonly offset: number;

  constructor(weight: PagedWeight, offset: number) {
    this.weight = weight;
    this.offset = offset;
  }
}

interface Entry {
  readonly address: number;
  readonly read: Set<PagedBuffer>;
}

/** Room for some experts in a WASM memory, those used last. An entry is one expert of one layer, all entries are as large as the largest. */
export class ExpertCache {
  readonly #memory: WasmMemory;
  readonly #budget: number;
  readonly #layers = new Map<number, PagedBuffer[]>();
  /** By layer and expert, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #free: number[] = [];
  #slots = 0;
  #table = 0;
  #turn: Promise<void> = Promise.resolve();
  readonly #counts = { hits: 0, misses: 0, readBytes: 0, readMs: 0 };

  constructor(memory: WasmMemory, budgetBytes: number) {
    this.#memory = memory;
    this.#budget = budgetBytes;
  }

  get stats(): ExpertStats {
    const experts = [...this.#layers.values()].reduce((sum, [first]) => sum + first!.weight.experts, 0);
    return { ...this.#counts, slots: this.#slots, experts };
  }

  /** A buffer for a weight. All must be there before the first plan. */
  page(weight: PagedWeight): PagedBuffer {
    const layer = this.#layers.get(weight.layer) ?? [];
    const buffer = new PagedBuffer(weight, endOf(layer));
    this.#layers.set(weight.layer, [...layer, buffer]);
    return buffer;
  }

  /** Takes the memory, once. Throws InvalidArgumentError where not one expert fits the budget, OutOfMemoryError. */
  open(): void {
    if (this.#slots > 0) return;
    const layers = [...this.#layers.values()];
    const entryBytes = Math.max(...layers.map(endOf));
    const slots = Math.min(Math.floor(this.#budget / entryBytes), this.stats.experts);
    if (slots < 1)
      throw new InvalidArgumentError(`expertCache: one expert takes ${entryBytes} bytes, this cache has ${this.#budget}: give it more`);
    const arena = this.#memory.alloc(slots * entryBytes);
    this.#table = this.#memory.alloc(4 * Math.max(...layers.map(([first]) => first!.weight.experts)));
    this.#free = Array.from({ length: slots }, (_, i) => arena + (slots - 1 - i) * entryBytes);
    this.#slots = slots;
  }

  /** Address of the table u32[X] that `groups` writes: where each expert is, 0 for those that are not of the group. */
  get table(): number {
    return this.#table;
  }

  /** Works one after the other: what one has brought in, no other may put out while it runs. */
  inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Brings the experts in, as many at a time as the cache holds, those that are there first. Each step leaves the table of its group and says
   * whether more will come: then run the kernel before the next step. Where all fit at once, the layer's other weights come along, all
   * reads in flight together.
   *
   * Reading ahead what the last token wanted would find it here: a cache that holds less than one token's experts is no use anyway.
   */
  async *groups(buffer: PagedBuffer, wanted: Iterable<number>): AsyncGenerator<boolean, void, undefined> {
    const { layer, experts } = buffer.weight;
    const key = (expert: number) => `${layer}:${expert}`;
    const all = [...new Set(wanted)].map((expert) => Math.min(expert, experts - 1));
    const here = all.filter((expert) => this.#entries.has(key(expert)));
    const order = [...here, ...all.filter((expert) => !this.#entries.has(key(expert)))];
    const parts = this.#layers.get(layer)!;
    for (let first = 0; first < order.length; first += this.#slots) {
      const group = order.slice(first, first + this.#slots);
      for (const expert of group) this.#touch(key(expert)); // so that no member is put out for another
      const reads: Promise<void>[] = [];
      const addresses = new Uint32Array(experts);
      for (const expert of group) {
        const entry = this.#entries.get(key(expert)) ?? this.#take(key(expert));
        addresses[expert] = entry.address + buffer.offset;
        if (buffer === parts[0]) this.#counts[entry.read.has(buffer) ? "hits" : "misses"]++;
        for (const part of order.length <= this.#slots ? parts : [buffer])
          if (!entry.read.has(part)) reads.push(this.#read(part, expert, entry));
      }
      await this.#settle(reads);
      this.#memory.u8.set(new Uint8Array(addresses.buffer), this.#table);
      yield first + this.#slots < order.length;
    }
  }

  /** Waits for all reads, also where one failed: none may write later, when its place is another's. */
  async #settle(reads: readonly Promise<void>[]): Promise<void> {
    if (reads.length === 0) return;
    const start = performance.now();
    const failed = (await Promise.allSettled(reads)).find((result) => result.status === "rejected");
    this.#counts.readMs += performance.now() - start;
    if (failed) throw failed.reason;
  }

  async #read(part: PagedBuffer, expert: number, entry: Entry): Promise<void> {
    const begin = entry.address + part.offset;
    const { expertBytes } = part.weight;
    await part.weight.read(expert, this.#memory.u8.subarray(begin, begin + expertBytes));
    entry.read.add(part);
    this.#counts.readBytes += expertBytes;
  }

  #touch(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** An empty entry: of free memory, or in the place of the one used longest ago. */
  #take(key: string): Entry {
    let address = this.#free.pop();
    if (address === undefined) {
      const [oldest, entry] = this.#entries.entries().next().value!;
      this.#entries.delete(oldest);
      address = entry.address;
    }
    const entry: Entry = { address, read: new Set() };
    this.#entries.set(key, entry);
    return entry;
  }
}

/** Bytes of an entry with these parts, each on cache lines of its own. */
function endOf(parts: readonly PagedBuffer[]): number {
  const last = parts.at(-1);
  return last ? last.offset + Math.ceil(last.weight.expertBytes / 64) * 64 : 0;
}
