import { BackendError } from "../../errors.ts";
import type { Dims } from "../../graph/tensor.ts";
import type { GpuDevice } from "./device.ts";
import type { KernelSpec } from "./dispatch.ts";
import { BUFFER_USAGE, STAGE_COMPUTE } from "./usage.ts";

export type Access = KernelSpec["access"][number];

/** A kernel as the GPU runs it. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The text of a kernel: a prelude of plain WGSL lines, then its files. `access` as the bindings' places in memory demand it. */
export function kernelText(spec: KernelSpec, access: readonly Access[]): string {
  const enables = (spec.enables ?? []).map((name) => `enable ${name};`);
  const constants = Object.entries(spec.constants).map(
    ([name, value]) => `const ${name}: ${typeof value === "number" ? "u32" : "f32"} = ${value};`,
  );
  const aliases = Object.entries(spec.aliases ?? {}).map(([name, type]) => `alias ${name} = ${type};`);
  const step = ["struct Step { T: u32, O: u32 }", "@group(1) @binding(0) var<uniform> step: Step;"];
  return [...enables, ...step, ...constants, ...aliases, ...spec.files.map((file) => widened(file, spec, access))].join("\n");
}

/**
 * Two bindings of one GPU buffer must both be read_write if one is, and only the backend knows who shares a buffer: such a file's
 * `var<storage, read>` is declared read_write. Values of a split lie in one arena, weights do not, so the weights stay read.
 */
function widened(file: string, { access, constants }: KernelSpec, wanted: readonly Access[]): string {
  return file.replace(/@group\(0\)\s*@binding\((\w+)\)\s*var<storage,\s*read>/g, (line, index: string) => {
    const binding = Number(constants[index] ?? index); // a file that serves several kernels names its binding by a constant
    return access[binding] === "read" && wanted[binding] === "read_write" ? line.replace(/read>$/, "read_write>") : line;
  });
}

/** Every pipeline of a device, made once. */
export class Pipelines {
  readonly #device: GpuDevice;
  readonly #ready = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #texts = new Map<string, number>();
  readonly #step: GPUBindGroupLayout;

  constructor(device: GpuDevice) {
    this.#device = device;
    this.#step = device.device.createBindGroupLayout({ entries: [{ binding: 0, visibility: STAGE_COMPUTE, buffer: { type: "uniform" } }] });
  }

  get count(): number {
    return this.#ready.size;
  }

  /** Group 1 of a program: its extents, written once. The caller destroys the buffer. */
  step(dims: Dims): { buffer: GPUBuffer; group: GPUBindGroup } {
    const { device } = this.#device;
    const buffer = device.createBuffer({ label: "step", size: 8, usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST });
    device.queue.writeBuffer(buffer, 0, new Uint32Array([dims.T, dims.O]));
    return { buffer, group: device.createBindGroup({ layout: this.#step, entries: [{ binding: 0, resource: { buffer } }] }) };
  }

  /** Compiles what is not compiled yet, side by side. */
  async compile(kernels: readonly { spec: KernelSpec; access: readonly Access[] }[]): Promise<void> {
    const missing = new Map(kernels.map((kernel) => [this.#key(kernel.spec, kernel.access), kernel]));
    for (const key of this.#ready.keys()) missing.delete(key);
    await Promise.all(
      [...missing].map(async ([key, { spec, access }]) => {
        this.#ready.set(key, await this.#compile(spec, access));
      }),
    );
  }

  /** A pipeline that may have to be compiled now: a run with new extents seldom needs one that prepare has not seen. */
  get(spec: KernelSpec, access: readonly Access[]): Pipeline {
    const key = this.#key(spec, access);
    const known = this.#ready.get(key);
    if (known) return known;
    const { device } = this.#device;
    const { group, pipeline: layout } = this.#layout(access);
    const module = device.createShaderModule({ label: spec.name, code: kernelText(spec, access) });
    const pipeline = device.createComputePipeline({ label: spec.name, layout, compute: { module, entryPoint: "main" } });
    const made = { pipeline, layout: group };
    this.#ready.set(key, made);
    return made;
  }

  async #compile(spec: KernelSpec, access: readonly Access[]): Promise<Pipeline> {
    const { device } = this.#device;
    const code = kernelText(spec, access);
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: spec.name, code });
    const invalid = device.popErrorScope();
    const { group, pipeline: layout } = this.#layout(access);
    try {
      const pipeline = await device.createComputePipelineAsync({ label: spec.name, layout, compute: { module, entryPoint: "main" } });
      return { pipeline, layout: group };
    } catch (cause) {
      this.#device.check();
      const error = await invalid.catch(() => null);
      const said = error?.message ?? (cause instanceof Error ? cause.message : String(cause));
      throw new BackendError(`webgpu: kernel ${spec.name} does not compile on ${this.#device.description}: ${said}`, { cause });
    }
  }

  #layout(access: readonly Access[]): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = access.join();
    const known = this.#layouts.get(key);
    if (known) return known;
    const { device } = this.#device;
    const group = device.createBindGroupLayout({
      entries: access.map((mode, binding) => ({
        binding,
        visibility: STAGE_COMPUTE,
        buffer: { type: mode === "read" ? ("read-only-storage" as const) : ("storage" as const) },
      })),
    });
    const made = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group, this.#step] }) };
    this.#layouts.set(key, made);
    return made;
  }

  #key(spec: KernelSpec, access: readonly Access[]): string {
    const files = spec.files.map((text) => {
      const id = this.#texts.get(text) ?? this.#texts.size;
      this.#texts.set(text, id);
      return id;
    });
    return JSON.stringify([files, spec.constants, spec.aliases ?? {}, spec.enables ?? [], spec.access, access]);
  }
}
