import type { GpuMemory } from "./memory.ts";

/**
 * Memory for the values between the dispatches of plans that never run at the same time: as much as the largest needs. Plans bind it when
 * they first run; by then all have reserved.
 */
export class Arena {
  readonly #memory: GpuMemory;
  #buffer: GPUBuffer | undefined;
  #users = 0;

  constructor(memory: GpuMemory) {
    this.#memory = memory;
  }

  get buffer(): GPUBuffer {
    return this.#buffer!;
  }

  /** For one more plan; each releases once. Throws OutOfMemoryError. */
  reserve(bytes: number): void {
    if ((this.#buffer?.size ?? 0) < bytes) {
      const larger = this.#memory.alloc(bytes, "values");
      if (this.#buffer) this.#memory.free(this.#buffer);
      this.#buffer = larger;
    }
    this.#users++;
  }

  release(): void {
    if (--this.#users > 0 || !this.#buffer) return;
    this.#memory.free(this.#buffer);
    this.#buffer = undefined;
  }
}
