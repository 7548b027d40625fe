import { OutOfMemoryError } from "../../errors.ts";

const PAGE_BYTES = 65536;
/** wasm32 addresses end here. */
const MAX_PAGES = 65536;
/** Of one memory. */
export const MAX_BANK_BYTES = MAX_PAGES * PAGE_BYTES;
/** Memory grows by at least this much: each grow makes new views, and on some engines remaps. */
const GROW_BYTES = 16 * 2 ** 20;
/** One cache line: no two buffers share one. */
const ALIGNMENT = 64;

interface Range {
  begin: number;
  end: number;
}

/** One WebAssembly memory and its free ranges. Addresses are bytes; first fit, neighbours merged when freed. */
export class WasmMemory {
  readonly memory: WebAssembly.Memory;
  readonly #free: Range[] = [];
  readonly #taken = new Map<number, number>();
  #end: number;
  /** Nothing from here on was ever handed out: the system's own zeros, which need no second filling. */
  #fresh: number;
  #u8: Uint8Array;

  /** `reservedBytes` at the bottom belong to the module and the engine. Throws OutOfMemoryError. */
  constructor(reservedBytes: number) {
    const initial = Math.ceil(reservedBytes / PAGE_BYTES);
    try {
      this.memory = new WebAssembly.Memory({ initial, maximum: MAX_PAGES, shared: true });
    } catch (cause) {
      throw new OutOfMemoryError(
        `wasm: the system refused a memory of up to 4 GiB of addresses (${(cause as Error).message}): close other models or tabs`,
        { cause },
      );
    }
    this.#end = initial * PAGE_BYTES;
    this.#fresh = this.#end;
    this.#u8 = new Uint8Array(this.memory.buffer);
  }

  /** All of the memory, current after a grow. */
  get u8(): Uint8Array {
    if (this.#u8.buffer !== this.memory.buffer) this.#u8 = new Uint8Array(this.memory.buffer);
    return this.#u8;
  }
  /** Bytes allocated now. */
  get usedBytes(): number {
    return [...this.#taken.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** An address with `bytes` zeros behind it. Throws OutOfMemoryError. */
  alloc(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let at = this.#free.findIndex((range) => range.end - range.begin >= size);
    if (at < 0) {
      this.#grow(size);
      at = this.#free.length - 1;
    }
    const range = this.#free[at]!;
    const begin = range.begin;
    range.begin += size;
    if (range.begin === range.end) this.#free.splice(at, 1);
    this.#taken.set(begin, size);
    if (begin < this.#fresh) this.u8.fill(0, begin, Math.min(begin + size, this.#fresh));
    this.#fresh = Math.max(this.#fresh, begin + size);
    return begin;
  }

  free(address: number): void {
    const bytes = this.#taken.get(address);
    if (bytes === undefined) return;
    this.#taken.delete(address);
    let at = this.#free.findIndex((range) => range.begin > address);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, { begin: address, end: address + bytes });
    if (at + 1 < this.#free.length && this.#free[at]!.end === this.#free[at + 1]!.begin) {
      this.#free[at]!.end = this.#free[at + 1]!.end;
      this.#free.splice(at + 1, 1);
    }
    if (at > 0 && this.#free[at - 1]!.end === this.#free[at]!.begin) {
      this.#free[at - 1]!.end = this.#free[at]!.end;
      this.#free.splice(at, 1);
    }
  }

  /** Makes the last free range hold at least `bytes`. */
  #grow(bytes: number): void {
    const last = this.#free.at(-1);
    const tail = last && last.end === this.#end ? last.end - last.begin : 0;
    const possible = MAX_BANK_BYTES - this.#end + tail;
    const wanted = Math.min(Math.max(bytes - tail, GROW_BYTES), MAX_BANK_BYTES - this.#end);
    const pages = Math.ceil(wanted / PAGE_BYTES);
    const fits = bytes <= possible && this.#tryGrow(pages);
    if (!fits && !(bytes <= possible && this.#tryGrow(Math.ceil((bytes - tail) / PAGE_BYTES)))) {
      const gib = (n: number) => `${(n / 2 ** 30).toFixed(2)} GiB`;
      throw new OutOfMemoryError(
        `wasm: ${gib(bytes)} more are wanted, ${gib(this.usedBytes)} are in use and this WebAssembly memory holds at most 4 GiB` +
          `${bytes <= possible ? " (the system refused to give them)" : ""}: use a smaller quantisation, a shorter context or a smaller KV cache type`,
      );
    }
    const end = this.memory.buffer.byteLength;
    if (tail && last) last.end = end;
    else this.#free.push({ begin: this.#end, end });
    this.#end = end;
  }

  #tryGrow(pages: number): boolean {
    try {
      this.memory.grow(pages);
      return true;
    } catch {
      return false;
    }
  }
}
