/**
 * The CPU kernels of one build in a memory of their own, for tests and benchmarks: instance, views, and an allocator that only grows.
 * Runs in Node and in Deno.
 */

import { existsSync, readFileSync } from "node:fs";

export type Build = "simd" | "relaxed";

type Kernel = (...args: number[]) => void;

const path = (build: Build) => new URL(`../../build/kernels.${build}.wasm`, import.meta.url);

/** The builds that exist and that this runtime can run: Node 20 has no relaxed SIMD. */
export function builds(): Build[] {
  return (["simd", "relaxed"] as const).filter((build) => existsSync(path(build)) && WebAssembly.validate(readFileSync(path(build))));
}

const PAGE = 65536;
/** Address 0 stays free, to mean "none"; on the second page lies the module's own data. */
const RESERVED = 2 * PAGE;

export class Kernels {
  readonly memory: WebAssembly.Memory;
  readonly run: Record<string, Kernel>;
  #top = RESERVED;

  constructor(build: Build, bytes = 64 << 20) {
    const pages = Math.ceil(bytes / PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(readFileSync(path(build)));
    this.run = new WebAssembly.Instance(module, { env: { memory: this.memory, now: () => performance.now() } }).exports as Record<
      string,
      Kernel
    >;
  }

  /** Address of `bytes` fresh bytes, followed by 16 guard bytes that stay as they are unless a kernel writes too far. */
  alloc(bytes: number): number {
    const at = this.#top;
    this.#top = Math.ceil((at + bytes + 16) / 64) * 64;
    if (this.#top > this.memory.buffer.byteLength) throw new RangeError(`test memory: ${this.#top} bytes wanted`);
    this.u8(at + bytes, 16).fill(0xa5);
    return at;
  }

  /** Everything allocated is free again. */
  reset(): void {
    this.#top = RESERVED;
  }

  put(data: Uint8Array | Float32Array | Int32Array): number {
    const at = this.alloc(data.byteLength);
    this.u8(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return at;
  }

  u8(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, bytes);
  }

  f32(at: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, count);
  }

  /** Whether the guard behind `bytes` bytes at `at` is untouched. */
  guarded(at: number, bytes: number): boolean {
    return this.u8(at + bytes, 16).every((byte) => byte === 0xa5);
  }
}
