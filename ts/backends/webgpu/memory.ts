import { BackendError, DisposedError, OutOfMemoryError } from "../../errors.ts";
import type { BackendBuffer } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { GpuRange } from "./dispatch.ts";
import type { Merge } from "./merge.ts";
import { BUFFER_USAGE } from "./usage.ts";

/** Weights in the layout of their kernels: one, or several that are multiplied as one. Freed with the last of their buffers. */
export class PackedWeights {
  readonly gpu: GPUBuffer;
  /** The tensors in it, and their order: what is packed alike may be shared by plans. */
  readonly label: string;
  /** What they were merged by; undefined for one alone, and where experts were stacked: those cannot be had one by one. */
  readonly merge: Merge | undefined;
  users = 0;

  constructor(gpu: GPUBuffer, label: string, merge?: Merge) {
    this.gpu = gpu;
    this.label = label;
    this.merge = merge;
  }

  get range(): GpuRange {
    return { buffer: this.gpu, offset: 0, bytes: this.gpu.size };
  }
}

/** Memory that the engine owns. */
export class GpuBuffer implements BackendBuffer {
  readonly bytes: number;
  #raw: GPUBuffer | undefined;
  /** Packed weights by the offset at which their GGUF bytes were written. */
  readonly #packed = new Map<number, PackedWeights>();

  constructor(raw: GPUBuffer, bytes: number) {
    this.#raw = raw;
    this.bytes = bytes;
  }

  /** The bytes as the engine wrote them. */
  raw(verb: "read" | "written"): GPUBuffer {
    if (!this.#raw)
      throw new BackendError(`webgpu: weights cannot be ${verb} once a plan was prepared: the GPU keeps them in another layout`);
    return this.#raw;
  }

  packed(offset: number): PackedWeights | undefined {
    return this.#packed.get(offset);
  }

  /** Takes a weight's new layout. Returns the raw bytes' memory if the weight filled it: nobody needs it any more. */
  pack(offset: number, bytes: number, packed: PackedWeights): GPUBuffer | undefined {
    this.#packed.set(offset, packed);
    packed.users++;
    if (offset !== 0 || bytes < this.bytes) return undefined;
    const raw = this.#raw;
    this.#raw = undefined;
    return raw;
  }

  /** A tensor's memory: a packed weight's is the whole of its own buffer. */
  range(offset: number, bytes: number): GpuRange {
    return this.#packed.get(offset)?.range ?? { buffer: this.raw("read"), offset, bytes };
  }

  /** All memory behind this buffer that nobody else uses; it holds none afterwards. */
  release(): GPUBuffer[] {
    const packed = [...this.#packed.values()].filter((weights) => --weights.users === 0).map(({ gpu }) => gpu);
    const all = [...packed, ...(this.#raw ? [this.#raw] : [])];
    this.#packed.clear();
    this.#raw = undefined;
    return all;
  }
}

/** Allocates, counts and frees: what has been taken here is given back here. */
export class GpuMemory {
  readonly #device: GpuDevice;
  readonly #live = new Map<GPUBuffer, number>();
  readonly #pending = new Set<Promise<void>>();
  #usedBytes = 0;
  #closed = false;

  constructor(device: GpuDevice) {
    this.#device = device;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }
  get liveBuffers(): number {
    return this.#live.size;
  }

  /** Zeroed memory, readable and writable by kernels and copies. Throws OutOfMemoryError beyond the device's largest buffer. */
  alloc(bytes: number, label: string, usage: number = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST): GPUBuffer {
    if (this.#closed) throw new DisposedError("webgpu: this backend was closed: load the model again");
    const { device, description } = this.#device;
    const { maxBufferSize } = device.limits;
    if (!(bytes <= maxBufferSize)) {
      throw new OutOfMemoryError(
        `webgpu: ${bytes} bytes in one buffer ("${label}") are more than ${description} gives (${maxBufferSize}): keep this tensor on the CPU (lower gpuLayers, a shorter context, cpuExperts)`,
      );
    }
    const size = Math.max(4, Math.ceil(bytes / 4) * 4); // kernels see words
    device.pushErrorScope("out-of-memory");
    let buffer: GPUBuffer;
    try {
      buffer = device.createBuffer({ label, size, usage });
    } finally {
      const watched = device.popErrorScope().then(
        (error) => {
          if (!error || this.#closed) return; // the device may serve somebody else by now
          const wanted = `webgpu: ${size} bytes ("${label}") could not be had beside ${this.#usedBytes} bytes already taken on ${description}`;
          this.#device.fail(new OutOfMemoryError(`${wanted}: lower gpuLayers or the context length`));
        },
        () => {}, // the device is lost: it says so itself
      );
      this.#pending.add(watched);
      void watched.then(() => this.#pending.delete(watched));
    }
    this.#live.set(buffer, size);
    this.#usedBytes += size;
    return buffer;
  }

  free(buffer: GPUBuffer): void {
    const size = this.#live.get(buffer);
    if (size === undefined) return;
    this.#live.delete(buffer);
    this.#usedBytes -= size;
    buffer.destroy();
  }

  /** Frees whatever is left: nothing can be allocated afterwards. */
  close(): void {
    this.#closed = true;
    for (const buffer of [...this.#live.keys()]) this.free(buffer);
  }

  /** Until it is known whether every allocation so far has succeeded. Throws OutOfMemoryError if one has not. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    this.#device.check();
  }
}

export function gpuBuffer(buffer: BackendBuffer): GpuBuffer {
  if (!(buffer instanceof GpuBuffer)) throw new BackendError("webgpu: this buffer belongs to another backend");
  return buffer;
}
