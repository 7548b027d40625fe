import patchText from "../../../gpu/patch.wgsl";
import type { GpuDevice } from "./device.ts";
import type { KernelSpec } from "./dispatch.ts";
import type { GpuMemory } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import { BUFFER_USAGE, MAP_MODE_READ } from "./usage.ts";

/** One writeBuffer stages its bytes once more on the way: pieces keep that copy small. */
const CHUNK_BYTES = 16 * 2 ** 20;
/** Staged bytes are let go at a submit: at most so many wait for one while a model streams in. */
const FLUSH_BYTES = 64 * 2 ** 20;
/** Idle staging buffers kept for the next reads: one token's logits or sampled ids, not whole caches. */
const POOLED_BUFFERS = 4;
const POOLED_BYTES = 4 * 2 ** 20;

const patch: KernelSpec = { name: "patch", files: [patchText], constants: {}, access: ["read_write", "read"] };

/** Moves bytes between JavaScript and the GPU. */
export class Transfer {
  readonly #device: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #idle: GPUBuffer[] = [];
  /** The step of kernels that have none. */
  readonly #step: ReturnType<Pipelines["step"]>;
  #staged = 0;

  constructor(device: GpuDevice, memory: GpuMemory, pipelines: Pipelines) {
    this.#device = device;
    this.#memory = memory;
    this.#pipelines = pipelines;
    this.#step = pipelines.step({ T: 0, O: 0 });
  }

  write(buffer: GPUBuffer, offset: number, bytes: Uint8Array): void {
    const head = Math.min(bytes.length, (4 - (offset % 4)) % 4);
    const tail = (bytes.length - head) % 4;
    if (head) this.#patch(buffer, offset, bytes.subarray(0, head));
    const end = bytes.length - tail;
    for (let i = head; i < end; i += CHUNK_BYTES) {
      const piece = unshared(bytes.subarray(i, Math.min(end, i + CHUNK_BYTES)));
      this.#device.device.queue.writeBuffer(buffer, offset + i, piece);
      this.#staged += piece.length;
    }
    if (tail) this.#patch(buffer, offset + end, bytes.subarray(end));
    if (this.#staged >= FLUSH_BYTES) {
      this.#staged = 0;
      this.#device.device.queue.submit([]);
    }
  }

  /** A copy of the bytes, after all that was submitted before. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    if (bytes === 0) return new Uint8Array(0);
    const begin = Math.floor(offset / 4) * 4;
    const size = Math.ceil((offset + bytes) / 4) * 4 - begin;
    const staging = this.#take(size);
    const encoder = this.#device.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, begin, staging, 0, size);
    this.#device.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(MAP_MODE_READ, 0, size);
      const copy = new Uint8Array(bytes);
      copy.set(new Uint8Array(staging.getMappedRange(0, size), offset - begin, bytes));
      staging.unmap();
      this.#give(staging);
      return copy;
    } catch (cause) {
      this.#memory.free(staging);
      throw await this.#device.explain(cause);
    }
  }

  /** Frees the idle staging buffers. */
  release(): void {
    for (const buffer of this.#idle.splice(0)) this.#memory.free(buffer);
  }

  close(): void {
    this.release();
    this.#step.buffer.destroy();
  }

  #take(bytes: number): GPUBuffer {
    const fit = this.#idle.findIndex((buffer) => buffer.size >= bytes);
    if (fit >= 0) return this.#idle.splice(fit, 1)[0]!;
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, 4096))); // by powers of two: reads of like size share
    return this.#memory.alloc(size <= POOLED_BYTES ? size : bytes, "read back", BUFFER_USAGE.MAP_READ | BUFFER_USAGE.COPY_DST);
  }

  #give(buffer: GPUBuffer): void {
    if (buffer.size > POOLED_BYTES || this.#idle.length >= POOLED_BUFFERS) this.#memory.free(buffer);
    else this.#idle.push(buffer);
  }

  /** Writes one to three bytes inside one word; WebGPU itself copies whole words only. */
  #patch(buffer: GPUBuffer, offset: number, bytes: Uint8Array): void {
    const { device, caps } = this.#device;
    const shift = offset % 4;
    const edit = new Uint8Array(12);
    const view = new DataView(edit.buffer);
    const window = Math.floor(offset / caps.limits.minStorageBufferOffsetAlignment) * caps.limits.minStorageBufferOffsetAlignment;
    view.setUint32(0, Math.floor((offset - window) / 4), true);
    edit.fill(255, 4, 8);
    edit.fill(0, 4 + shift, 4 + shift + bytes.length);
    edit.set(bytes, 8 + shift);
    const { pipeline, layout } = this.#pipelines.get(patch, patch.access);
    const edits = device.createBuffer({ size: 12, usage: BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_DST });
    device.queue.writeBuffer(edits, 0, edit);
    const size = Math.min(caps.limits.minStorageBufferOffsetAlignment, buffer.size - window);
    const entries = [
      { binding: 0, resource: { buffer, offset: window, size } },
      { binding: 1, resource: { buffer: edits } },
    ];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.setBindGroup(1, this.#step.group);
    pass.dispatchWorkgroups(1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    edits.destroy();
  }
}

/** Dawn under Node 20 crashes when it is given a view on a SharedArrayBuffer. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
