import { CapabilityError } from "../../errors.ts";

/** Where the GPU comes from. */
export interface AdapterOptions {
  /** An adapter of the caller's own; the other options then have no say. */
  readonly adapter?: GPUAdapter;
  /** Flags for Dawn in Node, e.g. ["enable-dawn-features=vulkan_enable_f16_on_nvidia"] or ["backend=null"]. */
  readonly dawnFlags?: readonly string[];
  readonly powerPreference?: GPUPowerPreference;
  /** Only a software adapter. */
  readonly forceFallback?: boolean;
}

/** An adapter with the GPU object that it came from: Dawn's must stay referenced as long as the device lives. */
export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly gpu: GPU | undefined;
}

/** `navigator.gpu` where there is one (browsers, Deno, Electron), the npm package `webgpu` in Node. Throws CapabilityError, with what to install. */
export async function findAdapter(options: AdapterOptions = {}): Promise<FoundAdapter> {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (options.adapter) return { adapter: options.adapter, gpu: own };
  const gpu = own ?? (await dawn(options.dawnFlags ?? []));
  const { powerPreference, forceFallback } = options;
  const adapter = await gpu.requestAdapter({
    ...(powerPreference ? { powerPreference } : {}),
    forceFallbackAdapter: forceFallback ?? false,
  });
  if (!adapter)
    throw new CapabilityError(`webgpu: no GPU adapter here. ${own ? HELP.browser : HELP.node} Or run on the CPU: gpuLayers: 0.`);
  return { adapter, gpu };
}

const HELP = {
  browser:
    "Update the browser and the GPU's driver; on Linux, Chromium wants --enable-unsafe-webgpu --enable-features=Vulkan; WebGPU needs https or localhost.",
  node: "Dawn looks for Vulkan (Linux: the driver and libvulkan1), Metal or D3D12: check `vulkaninfo --summary`.",
} as const;

interface DawnModule {
  create(flags: readonly string[]): GPU;
}

async function dawn(flags: readonly string[]): Promise<GPU> {
  const process = (globalThis as { process?: { versions?: { node?: string } } }).process;
  if (!process?.versions?.node)
    throw new CapabilityError(`webgpu: this runtime has no navigator.gpu. ${HELP.browser} Or run on the CPU: gpuLayers: 0.`);
  const specifier = "webgpu"; // in a variable: bundlers must not try to resolve an optional dependency
  try {
    const { create } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier)) as DawnModule;
    return create(flags);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new CapabilityError(
      `webgpu: Node needs the npm package "webgpu" for a GPU: npm install webgpu@0.6.2 (${why}). Or run on the CPU: gpuLayers: 0.`,
      {
        cause,
      },
    );
  }
}
