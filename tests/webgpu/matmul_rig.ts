/** Runs the dispatches of one node on a test GPU, and packs weights for them. */

import { GpuDevice } from "../../ts/backends/webgpu/device.ts";
import type { Dispatch, GpuRange, LoweringContext } from "../../ts/backends/webgpu/dispatch.ts";
import { Pipelines } from "../../ts/backends/webgpu/pipelines.ts";
import { packedBytes, rawBytes, repackDispatches } from "../../ts/backends/webgpu/weights.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import type { Format } from "../../ts/graph/formats.ts";
import type { Dims, Tensor } from "../../ts/graph/tensor.ts";
import { testBackend } from "./adapter.ts";

/** What a test may pretend of its device. */
export type Limits = Partial<Pick<GPUSupportedLimits, "maxStorageBufferBindingSize" | "maxComputeInvocationsPerWorkgroup">> & {
  readonly dot4I8Packed?: boolean;
};

const usage = 0x80 | 0x4 | 0x8;

export class Rig {
  readonly gpu: GpuDevice;
  readonly pipelines: Pipelines;
  #buffers: GPUBuffer[] = [];

  constructor(gpu: GpuDevice) {
    this.gpu = gpu;
    this.pipelines = new Pipelines(gpu);
  }

  /** Undefined where there is no GPU, not even in software. */
  static async open(subgroups: boolean): Promise<Rig | undefined> {
    const backend = await testBackend();
    if (!backend) return undefined;
    backend.close(); // it has loaded SwiftShader
    return new Rig(await GpuDevice.open({ subgroups }));
  }

  alloc(bytes: number): GpuRange {
    const buffer = this.gpu.device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage });
    this.#buffers.push(buffer);
    return { buffer, offset: 0, bytes };
  }

  put(bytes: Uint8Array): GpuRange {
    const range = this.alloc(bytes.length);
    const padded = new Uint8Array(range.buffer.size);
    padded.set(bytes);
    this.gpu.device.queue.writeBuffer(range.buffer, 0, padded);
    return range;
  }

  async run(dispatches: readonly Dispatch[]): Promise<void> {
    const { device } = this.gpu;
    await this.pipelines.compile(dispatches.map(({ kernel }) => ({ spec: kernel, access: kernel.access })));
    device.pushErrorScope("validation");
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const step = this.pipelines.step({ T: 1, O: 1 });
    for (const { kernel, bindings, workgroups } of dispatches) {
      const { pipeline, layout } = this.pipelines.get(kernel, kernel.access);
      const entries = bindings.map(({ buffer, offset, bytes }, binding) => ({ binding, resource: { buffer, offset, size: bytes } }));
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
      pass.setBindGroup(1, step.group);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
    step.buffer.destroy();
    const error = await device.popErrorScope();
    if (error) throw new Error(error.message);
    this.gpu.check();
  }

  async read(range: GpuRange): Promise<Uint8Array> {
    const { device } = this.gpu;
    const staging = device.createBuffer({ size: range.bytes, usage: 0x1 | 0x8 });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(range.buffer, range.offset, staging, 0, range.bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(0x1);
    const bytes = new Uint8Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return bytes;
  }

  /** A matrix's packed form, made on the GPU, `chunkRows` rows at a time. */
  async pack(format: Format, raw: Uint8Array, rows: number, K: number, chunkRows = rows): Promise<GpuRange> {
    const packed = this.alloc(packedBytes(format, rows, K));
    for (let first = 0; first < rows; first += chunkRows) {
      const count = Math.min(chunkRows, rows - first);
      const bytes = raw.subarray(rawBytes(format, first, K), rawBytes(format, first + count, K));
      await this.run(repackDispatches(format, this.put(bytes), packed, rows, K, { first, count }));
    }
    return packed;
  }

  /** A context over ranges given by tensor; what a node writes is allocated, filled with NaN. */
  context(
    ranges: Map<Tensor, GpuRange>,
    { dot4I8Packed = this.gpu.caps.dot4I8Packed, ...limits }: Limits = {},
    dims: Dims = { T: 1, O: 1 },
  ): LoweringContext {
    const scratches = new Map<string, GpuRange>();
    const { maxStorageBufferBindingSize, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = this.gpu.caps.limits;
    const own = { maxStorageBufferBindingSize, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize };
    return {
      caps: { ...this.gpu.caps, dot4I8Packed, limits: { ...own, ...limits } as GPUSupportedLimits },
      dims,
      range: (tensor) => {
        const known = ranges.get(tensor.storage) ?? this.put(new Uint8Array(tensorBytes(tensor, dims)).fill(0xff));
        ranges.set(tensor.storage, known);
        return known;
      },
      scratch: (name, bytes) => {
        const known = scratches.get(name);
        if (known && known.bytes >= bytes) return known;
        const range = this.alloc(bytes);
        scratches.set(name, range);
        return range;
      },
    };
  }

  /** Frees all memory. */
  clear(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers = [];
  }
}
