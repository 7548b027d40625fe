import { BackendError } from "../../errors.ts";
import type { Step } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { Dispatch, GpuRange } from "./dispatch.ts";
import type { PassTimer } from "./pass-timer.ts";
import type { Access, Pipelines } from "./pipelines.ts";

/** A dispatch with the place in the graph that it stands for. */
export interface Planned extends Dispatch {
  /** Floating-point operations: how long it may hold the GPU. */
  readonly flops: number;
  /** What it is to a profile. */
  readonly step?: Step;
}

/**
 * Work of one submit. A GPU draws nothing while a dispatch list runs, and Windows resets one that answers for 2 s: this much takes
 * 0.1 s on an integrated GPU of 200 GFLOP/s, and a submit costs 30 µs.
 */
const SUBMIT_FLOPS = 2e10;

/** Everything that one run of a plan does, in flat arrays: a run is a loop over them. */
export class Program {
  readonly #device: GPUDevice;
  readonly #pipelines: GPUComputePipeline[] = [];
  readonly #groups: GPUBindGroup[] = [];
  readonly #grid: Uint32Array;
  /** Ends of the submits, as indices of dispatches. */
  readonly #ends: number[] = [];
  readonly #step: { buffer: GPUBuffer; group: GPUBindGroup };
  /** What each dispatch does. */
  readonly steps: readonly Step[];

  constructor(device: GpuDevice, pipelines: Pipelines, dispatches: readonly Planned[], dims: { T: number; O: number }) {
    this.#device = device.device;
    this.#step = pipelines.step(dims);
    this.#grid = new Uint32Array(3 * dispatches.length);
    this.steps = dispatches.map(({ kernel, step }) => step ?? { kernel: kernel.name, nodes: [], share: 0 });
    let flops = 0;
    dispatches.forEach((one, i) => {
      const access = effectiveAccess(one, device.caps.limits);
      const { pipeline, layout } = pipelines.get(one.kernel, access);
      this.#pipelines.push(pipeline);
      this.#groups.push(this.#device.createBindGroup({ label: one.kernel.name, layout, entries: one.bindings.map(entry) }));
      this.#grid.set(one.workgroups, 3 * i);
      flops += one.flops;
      if (flops >= SUBMIT_FLOPS || i === dispatches.length - 1) {
        this.#ends.push(i + 1);
        flops = 0;
      }
    });
  }

  get dispatches(): number {
    return this.#pipelines.length;
  }
  get submits(): number {
    return this.#ends.length;
  }

  run(): void {
    let i = 0;
    for (const end of this.#ends) {
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setBindGroup(1, this.#step.group);
      let current: GPUComputePipeline | undefined;
      for (; i < end; i++) {
        const pipeline = this.#pipelines[i]!;
        if (pipeline !== current) pass.setPipeline(pipeline);
        current = pipeline;
        pass.setBindGroup(0, this.#groups[i]!);
        pass.dispatchWorkgroups(this.#grid[3 * i]!, this.#grid[3 * i + 1]!, this.#grid[3 * i + 2]!);
      }
      pass.end();
      this.#device.queue.submit([encoder.finish()]);
    }
  }

  /** A run with each dispatch in a pass of its own, which are timed. */
  runTimed(timer: PassTimer): void {
    let i = 0;
    for (const end of this.#ends) {
      const encoder = this.#device.createCommandEncoder();
      for (; i < end; i++) {
        const pass = encoder.beginComputePass({ timestampWrites: timer.writes(i) });
        pass.setBindGroup(1, this.#step.group);
        pass.setPipeline(this.#pipelines[i]!);
        pass.setBindGroup(0, this.#groups[i]!);
        pass.dispatchWorkgroups(this.#grid[3 * i]!, this.#grid[3 * i + 1]!, this.#grid[3 * i + 2]!);
        pass.end();
      }
      this.#device.queue.submit([encoder.finish()]);
    }
  }

  dispose(): void {
    this.#step.buffer.destroy();
  }
}

function entry(range: GpuRange, binding: number): GPUBindGroupEntry {
  return { binding, resource: { buffer: range.buffer, offset: range.offset, size: range.bytes } };
}

/**
 * How each binding must be declared: read_write if its buffer is written through another binding of the same dispatch. Checks what
 * WebGPU would report late and in other words: alignment, sizes, ranges that overlap where one is written.
 */
export function effectiveAccess({ kernel, bindings }: Dispatch, limits: GPUSupportedLimits): readonly Access[] {
  const written = new Set(bindings.filter((_, i) => kernel.access[i] === "read_write").map(({ buffer }) => buffer));
  bindings.forEach((range, i) => {
    if (range.offset % limits.minStorageBufferOffsetAlignment !== 0) {
      throw new BackendError(
        `webgpu: ${kernel.name} binding ${i} lies at byte ${range.offset}: tensors must start at multiples of ${limits.minStorageBufferOffsetAlignment}`,
      );
    }
    if (range.bytes > limits.maxStorageBufferBindingSize) {
      throw new BackendError(
        `webgpu: ${kernel.name} binding ${i} has ${range.bytes} bytes, this GPU binds ${limits.maxStorageBufferBindingSize}: lower the context or the ubatch`,
      );
    }
    bindings.slice(0, i).forEach((other, j) => {
      const overlap =
        range.buffer === other.buffer && range.offset < other.offset + other.bytes && other.offset < range.offset + range.bytes;
      if (overlap && written.has(range.buffer))
        throw new BackendError(`webgpu: ${kernel.name} bindings ${j} and ${i} overlap and one is written`);
    });
  });
  return bindings.map(({ buffer }, i) => (written.has(buffer) ? "read_write" : kernel.access[i]!));
}
