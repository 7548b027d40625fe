import { BackendError, DeviceLostError, OutOfMemoryError, type TandemError } from "../../errors.ts";
import { type AdapterOptions, findAdapter } from "./adapter.ts";
import type { GpuCapabilities } from "./dispatch.ts";
import { Pipelines } from "./pipelines.ts";

export interface DeviceOptions extends AdapterOptions {
  /** Each is used where the adapter offers it; false turns it off. */
  readonly f16?: boolean;
  readonly subgroups?: boolean;
  readonly subgroupMatrix?: boolean;
  /** Timestamp queries, which only a profile uses. */
  readonly timestamps?: boolean;
}

/** Limits that are asked for as the adapter has them: a default device binds 128 MiB, less than many weights. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
] as const;

/** Fields of GPUAdapterInfo that are newer than its types. */
interface NewerInfo {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
}

/** A GPUDevice that remembers what went wrong behind its asynchronous back. */
export class GpuDevice {
  readonly device: GPUDevice;
  readonly caps: GpuCapabilities;
  /** The adapter in words, for messages and `inspect`. */
  readonly description: string;
  /** Keeps Dawn's instance alive. */
  readonly gpu: GPU | undefined;
  readonly pipelines: Pipelines;
  #lost: DeviceLostError | undefined;
  #failure: TandemError | undefined;
  #closed = false;

  private constructor(device: GPUDevice, caps: GpuCapabilities, description: string, gpu: GPU | undefined) {
    this.device = device;
    this.caps = caps;
    this.description = description;
    this.gpu = gpu;
    this.pipelines = new Pipelines(this);
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault?.();
      this.fail(asError(event.error));
    });
    void device.lost.then(({ reason, message }) => {
      if (this.#closed) return;
      const why = message || reason || "no reason given";
      this.#lost = new DeviceLostError(
        `webgpu: the GPU device was lost (${why}): load the model again, on the CPU (gpuLayers: 0) if it happens twice`,
      );
    });
  }

  static async open(options: DeviceOptions): Promise<GpuDevice> {
    const { adapter, gpu } = await findAdapter(options);
    const features = wantedFeatures(adapter, options);
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ requiredFeatures: features as GPUFeatureName[], requiredLimits });
    } catch (cause) {
      throw new BackendError(`webgpu: the adapter gave no device: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    const info = adapter.info;
    const description = info.description || [info.vendor, info.architecture].filter(Boolean).join(" ") || "unknown adapter";
    return new GpuDevice(device, capabilities(device, info as unknown as NewerInfo, new Set(features), gpu), description, gpu);
  }

  /** Records an error that no caller was there to catch: the next call throws it. The first one counts, the rest follow from it. */
  fail(error: TandemError): void {
    this.#failure ??= error;
  }

  /** Neither lost nor with an error that nobody has heard of. */
  get healthy(): boolean {
    return !this.#lost && !this.#failure && !this.#closed;
  }

  /** Throws what has gone wrong since the last call. A lost device stays lost. */
  check(): void {
    if (this.#lost) throw this.#lost;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  /** Why a mapping failed: a lost device rejects maps a moment before or after it says so. */
  async explain(cause: unknown): Promise<TandemError> {
    const soon = new Promise((resolve) => setTimeout(resolve, LOST_GRACE_MS));
    await Promise.race([this.device.lost, soon]);
    return (
      this.#lost ??
      this.#failure ??
      new BackendError(`webgpu: reading back failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    );
  }

  close(): void {
    this.#closed = true;
    this.device.destroy();
  }
}

/** A lost device says so within a task or two; this is ample. */
const LOST_GRACE_MS = 50;

function wantedFeatures(adapter: GPUAdapter, options: DeviceOptions): string[] {
  const choice: readonly (readonly [string, boolean])[] = [
    ["shader-f16", options.f16 ?? true],
    ["subgroups", options.subgroups ?? true],
    ["timestamp-query", options.timestamps ?? true],
    ["chromium-experimental-subgroup-matrix", (options.subgroupMatrix ?? true) && (options.subgroups ?? true)],
  ];
  return choice.filter(([name, wanted]) => wanted && adapter.features.has(name)).map(([name]) => name);
}

function capabilities(device: GPUDevice, info: NewerInfo, features: ReadonlySet<string>, gpu: GPU | undefined): GpuCapabilities {
  const subgroups = features.has("subgroups");
  const f16 = features.has("shader-f16");
  const configs = [...(info.subgroupMatrixConfigs ?? [])];
  return {
    f16,
    subgroups,
    subgroupMin: subgroups ? (info.subgroupMinSize ?? 4) : 0, // 4 and 128: the bounds that the specification gives
    subgroupMax: subgroups ? (info.subgroupMaxSize ?? 128) : 0,
    subgroupMatrix:
      f16 &&
      features.has("chromium-experimental-subgroup-matrix") &&
      configs.some((c) => c.componentType === "f16" && c.resultComponentType === "f32" && c.M === 16 && c.N === 16 && c.K === 16),
    dot4I8Packed: gpu?.wgslLanguageFeatures?.has("packed_4x8_integer_dot_product") ?? false,
    limits: device.limits,
  };
}

function asError(error: GPUError): TandemError {
  const kind = error.constructor.name;
  if (kind === "GPUOutOfMemoryError") return new OutOfMemoryError(`webgpu: the GPU is out of memory: ${error.message}`);
  return new BackendError(`webgpu: ${error.message}`);
}
