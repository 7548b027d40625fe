import { GgufError } from "../errors.ts";
import { FIRST_BLOCK_BYTES, MAX_BLOCK_BYTES, MAX_HEADER_BYTES } from "./gguf-limits.ts";
import { readInto, type Source } from "./source.ts";

/** What a person can do about almost every broken header. */
export const DOWNLOAD_AGAIN = "the file is damaged or cut short: download it again";

/**
 * Reads a file's header from the front through a window that slides forward in growing blocks, and no further than needed.
 * `await need(n)` first, then the next n bytes can be taken without waiting. Everything that fails is a GgufError naming the place.
 */
export class HeaderCursor {
  readonly source: Source;
  /** What is being read now (`key "general.name"`), for messages; set by the parser. */
  where = "header";
  readonly #signal: AbortSignal | undefined;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  #window = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  /** Offset in the file of the window's first byte. */
  #windowStart = 0;
  /** Offset in the window of the next byte to take. */
  #next = 0;
  #blockBytes = FIRST_BLOCK_BYTES;

  constructor(source: Source, signal?: AbortSignal) {
    this.source = source;
    this.#signal = signal;
  }

  /** Offset in the file of the next byte to take. */
  get offset(): number {
    return this.#windowStart + this.#next;
  }

  /** Bytes that the header can still have: up to the end of the file or the limit for headers. */
  get remainingBytes(): number {
    return Math.min(this.source.size, MAX_HEADER_BYTES) - this.offset;
  }

  /** Whether the next `bytes` bytes can be taken now. */
  has(bytes: number): boolean {
    return this.#window.byteLength - this.#next >= bytes;
  }

  async need(bytes: number): Promise<void> {
    if (this.has(bytes)) return;
    if (this.offset + bytes > this.source.size) {
      throw this.fail(`wanted ${bytes} more bytes of header, got the end of the file at byte ${this.source.size}: ${DOWNLOAD_AGAIN}`);
    }
    if (bytes > this.remainingBytes) {
      throw this.fail(`wanted a header of at most ${MAX_HEADER_BYTES} bytes, got a longer one: this is no model file: get it elsewhere`);
    }
    const kept = this.#window.subarray(this.#next);
    const loaded = this.offset + kept.byteLength;
    const wantedBytes = Math.min(Math.max(bytes - kept.byteLength, this.#blockBytes), this.source.size - loaded);
    const window = new Uint8Array(kept.byteLength + wantedBytes);
    window.set(kept);
    await readInto(this.source, loaded, window.subarray(kept.byteLength), { signal: this.#signal });
    this.#windowStart = this.offset;
    this.#next = 0;
    this.#window = window;
    this.#view = new DataView(window.buffer);
    this.#blockBytes = Math.min(this.#blockBytes * 2, MAX_BLOCK_BYTES);
  }

  u8 = (): number => this.#view.getUint8(this.#advance(1));
  i8 = (): number => this.#view.getInt8(this.#advance(1));
  u16 = (): number => this.#view.getUint16(this.#advance(2), true);
  i16 = (): number => this.#view.getInt16(this.#advance(2), true);
  u32 = (): number => this.#view.getUint32(this.#advance(4), true);
  i32 = (): number => this.#view.getInt32(this.#advance(4), true);
  f32 = (): number => this.#view.getFloat32(this.#advance(4), true);
  f64 = (): number => this.#view.getFloat64(this.#advance(8), true);
  u64 = (): number | bigint => narrow(this.#view.getBigUint64(this.#advance(8), true));
  i64 = (): number | bigint => narrow(this.#view.getBigInt64(this.#advance(8), true));

  /** A copy of the next `bytes` bytes, at the start of a buffer of its own. */
  copy(bytes: number): ArrayBuffer {
    const start = this.#advance(bytes);
    return this.#window.buffer.slice(start, start + bytes);
  }

  /** Reads a 64-bit count of items that take at least `itemBytes` each: at most `limit`, and no more than the rest of the file holds. */
  async count(items: string, itemBytes: number, limit: number): Promise<number> {
    await this.need(8);
    const count = this.u64();
    if (typeof count === "bigint" || count > limit) throw this.fail(`wanted at most ${limit} ${items}, got ${count}: ${DOWNLOAD_AGAIN}`);
    if (count * itemBytes > this.remainingBytes) {
      throw this.fail(
        `wanted at most the ${this.remainingBytes} bytes that are left of the header, ` +
          `got a count of ${count} ${items}, which take at least ${count * itemBytes} bytes: ${DOWNLOAD_AGAIN}`,
      );
    }
    return count;
  }

  /** A string value: bytes that are no UTF-8 become U+FFFD, as a free text's flaw is no reason to refuse a model. */
  async string(limitBytes: number): Promise<string> {
    const bytes = await this.count("bytes of string", 1, limitBytes);
    await this.need(bytes);
    return this.#utf8.decode(this.#take(bytes));
  }

  /** A string value if it lies in the window already and is within the limit: the quick way through a vocabulary. */
  stringAtHand(limitBytes: number): string | undefined {
    if (!this.has(8)) return undefined;
    const low = this.#view.getUint32(this.#next, true);
    const high = this.#view.getUint32(this.#next + 4, true);
    if (high !== 0 || low > limitBytes || !this.has(8 + low)) return undefined;
    this.#next += 8;
    return this.#utf8.decode(this.#take(low));
  }

  /** A key or a tensor's name: neither empty nor anything but UTF-8. */
  async name(limitBytes: number): Promise<string> {
    const bytes = await this.count("bytes of name", 1, limitBytes);
    if (bytes === 0) throw this.fail(`wanted a name, got an empty one: ${DOWNLOAD_AGAIN}`);
    await this.need(bytes);
    try {
      return this.#strictUtf8.decode(this.#take(bytes));
    } catch {
      throw this.fail(`wanted a name in UTF-8, got other bytes: ${DOWNLOAD_AGAIN}`);
    }
  }

  fail(message: string): GgufError {
    return new GgufError(`${this.source.name}: byte ${this.offset} (${this.where}): ${message}`);
  }

  #take(bytes: number): Uint8Array {
    const start = this.#advance(bytes);
    return this.#window.subarray(start, start + bytes);
  }

  #advance(bytes: number): number {
    const at = this.#next;
    this.#next += bytes;
    return at;
  }
}

function narrow(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
