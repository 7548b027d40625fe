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
  /** Fills `target` with one expert of the weight, before it returns. */
  readonly read: (expert: number, target: Uint8Array) => void;
}

/** How a cache of experts has done since the model was loaded. */
export interface ExpertStats {
  /** Experts of one weight that a token's run wanted: found in the cache, and read from the file. */
  readonly hits: number;
  readonly misses: number;
  readonly readBytes: number;
  /** Milliseconds that reading took. */
  readonly readMs: number;
  /** Experts (gate, up and down) that fit the cache, and all that there are. */
  readonly slots: number;
  readonly experts: number;
}

/** Stands for a weight that has no memory of its own. */
export class PagedBuffer implements BackendBuffer {
  readonly bytes = 0;
  readonly weight: PagedWeight;
  /** Where the weight's part begins in an entry, and which part it is. */
  readonly offset: number;
  readonly part: number;

  constructor(weight: PagedWeight, offset: number, part: number) {
    this.weight = weight;
    this.offset = offset;
    this.part = part;
  }
}

interface Entry {
  readonly address: number;
  /** Bit i: part i has been read. */
  parts: number;
}

/** Room for some experts in a WASM memory, those used last. An entry is one expert of one layer, all entries are as large as the largest. */
export class ExpertCache {
  readonly #memory: WasmMemory;
  readonly #budget: number;
  readonly #layers = new Map<number, { bytes: number; parts: number; experts: number }>();
  /** By layer and expert, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #free: number[] = [];
  #slots = 0;
  #table = 0;
  readonly #counts = { hits: 0, misses: 0, readBytes: 0, readMs: 0 };

  constructor(memory: WasmMemory, budgetBytes: number) {
    this.#memory = memory;
    this.#budget = budgetBytes;
  }

  get stats(): ExpertStats {
    const experts = [...this.#layers.values()].reduce((sum, layer) => sum + layer.experts, 0);
    return { ...this.#counts, slots: this.#slots, experts };
  }

  /** A buffer for a weight. All must be there before the first plan. */
  page(weight: PagedWeight): PagedBuffer {
    const layer = this.#layers.get(weight.layer) ?? { bytes: 0, parts: 0, experts: weight.experts };
    const buffer = new PagedBuffer(weight, layer.bytes, layer.parts);
    this.#layers.set(weight.layer, { ...layer, bytes: layer.bytes + align64(weight.expertBytes), parts: layer.parts + 1 });
    return buffer;
  }

  /** Takes the memory, once. Throws InvalidArgumentError where not one expert fits the budget, OutOfMemoryError. */
  open(): void {
    if (this.#slots > 0) return;
    const layers = [...this.#layers.values()];
    const entryBytes = Math.max(...layers.map(({ bytes }) => bytes));
    const slots = Math.min(Math.floor(this.#budget / entryBytes), this.stats.experts);
    if (slots < 1)
      throw new InvalidArgumentError(`expertCache: one expert takes ${entryBytes} bytes, this cache has ${this.#budget}: give it more`);
    const arena = this.#memory.alloc(slots * entryBytes);
    this.#table = this.#memory.alloc(4 * Math.max(...layers.map(({ experts }) => experts)));
    this.#free = Array.from({ length: slots }, (_, i) => arena + (slots - 1 - i) * entryBytes);
    this.#slots = slots;
  }

  /** Address of the table u32[X] that `groups` writes: where each expert is, 0 for those that are not of the group. */
  get table(): number {
    return this.#table;
  }

  /**
   * Brings the experts in, as many at a time as the cache holds, those that are there first. Each step leaves the table of its group and says
   * whether more will come: then run the kernel before the next step.
   */
  *groups(buffer: PagedBuffer, wanted: Iterable<number>): Generator<boolean> {
    const { layer, experts } = buffer.weight;
    const key = (expert: number) => `${layer}:${expert}`;
    const all = [...new Set(wanted)].map((expert) => Math.min(expert, experts - 1));
    const here = all.filter((expert) => this.#entries.has(key(expert)));
    const order = [...here, ...all.filter((expert) => !this.#entries.has(key(expert)))];
    for (let first = 0; first < order.length; first += this.#slots) {
      const group = order.slice(first, first + this.#slots);
      for (const expert of group) this.#touch(key(expert)); // so that no member is put out for another
      const addresses = new Uint32Array(experts);
      for (const expert of group) addresses[expert] = this.#bring(buffer, key(expert), expert);
      this.#memory.u8.set(new Uint8Array(addresses.buffer), this.#table);
      yield first + this.#slots < order.length;
    }
  }

  #touch(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Address of the weight's part of an entry, read where it is not there. */
  #bring({ weight, offset, part }: PagedBuffer, key: string, expert: number): number {
    const entry = this.#entries.get(key) ?? this.#take(key);
    const begin = entry.address + offset;
    if (entry.parts & (1 << part)) {
      this.#counts.hits++;
      return begin;
    }
    const start = performance.now();
    weight.read(expert, this.#memory.u8.subarray(begin, begin + weight.expertBytes));
    this.#counts.readMs += performance.now() - start;
    entry.parts |= 1 << part;
    this.#counts.misses++;
    this.#counts.readBytes += weight.expertBytes;
    return begin;
  }

  /** An empty entry: of free memory, or in the place of the one used longest ago. */
  #take(key: string): Entry {
    let address = this.#free.pop();
    if (address === undefined) {
      const [oldest, entry] = this.#entries.entries().next().value!;
      this.#entries.delete(oldest);
      address = entry.address;
    }
    const entry = { address, parts: 0 };
    this.#entries.set(key, entry);
    return entry;
  }
}

const align64 = (bytes: number) => Math.ceil(bytes / 64) * 64;
