import { defaultThreads, detectWasmFeatures, type WasmFeatures } from "./backends/wasm/features.ts";
import { type AdapterOptions, findAdapter } from "./backends/webgpu/adapter.ts";

/** Whether something is there and, where it is not, why and how to get it. */
export interface Capability {
  readonly available: boolean;
  readonly why?: string;
}

/** What this machine and JavaScript engine offer. */
export interface Capabilities {
  readonly simd: Capability;
  readonly relaxedSimd: Capability;
  /** `count`: CPU threads that a model gets by default. */
  readonly threads: Capability & { readonly count: number };
  /** Whether a page may share memory between threads; undefined outside pages, where nothing forbids it. */
  readonly crossOriginIsolated: boolean | undefined;
  readonly memory: {
    /** The most that one WebAssembly memory can grow to here: weights, KV cache and state on the CPU. */
    readonly wasmBytes: number;
    /** Memory of the machine, where it is told (browsers round, to 8 GiB at most), and the JavaScript heap's limit. */
    readonly machineBytes?: number;
    readonly heapBytes?: number;
  };
  /** The adapter in words and its limits, by WebGPU's names. */
  readonly webgpu: Capability & { readonly adapter?: string; readonly limits?: Readonly<Record<string, number>> };
  readonly f16: Capability;
  readonly subgroups: Capability;
  /** The origin private file system, where downloaded models are kept; bytes that the browser grants and that are taken. */
  readonly opfs: Capability & { readonly quotaBytes?: number; readonly usedBytes?: number };
}

/** Fields of the web platform that not every engine, or not every type library, has. */
interface Platform {
  readonly crossOriginIsolated?: boolean;
  readonly isSecureContext?: boolean;
  readonly navigator?: {
    readonly deviceMemory?: number;
    readonly storage?: { getDirectory?(): Promise<unknown>; estimate?(): Promise<{ quota?: number; usage?: number }> };
  };
  readonly process?: { readonly versions?: { readonly node?: string } };
  readonly performance?: { readonly memory?: { readonly jsHeapSizeLimit?: number } };
}
const platform = () => globalThis as Platform;

const HELP = {
  simd: "Use Node 20, Deno 2, Chrome 91, Firefox 89, Safari 16.4 or newer.",
  relaxedSimd: "Chrome 114, Node 22, Deno 2 or newer have it; the plain SIMD build runs instead, and generates more slowly.",
  threads:
    "The page is not cross-origin isolated: serve it with the headers Cross-Origin-Opener-Policy: same-origin and " +
    "Cross-Origin-Embedder-Policy: require-corp (or credentialless), over https or from localhost.",
  shared: "This JavaScript engine has no SharedArrayBuffer: use a newer one.",
  f16: "The adapter has no shader-f16: kernels in f32 run instead. A newer driver or browser may have it.",
  subgroups: "The adapter has no subgroups: kernels that add through workgroup memory run instead. A newer driver or browser may have it.",
  insecure: "It needs https or localhost.",
  opfs: "There is no origin private file system here: use Chrome 102, Firefox 111, Safari 15.2 or newer, outside private windows.",
  opfsNode: "There are files instead: pass a path.",
} as const;

/** Looks at the platform; nothing is loaded or kept. Never throws for what is missing. */
export async function capabilities(options: { readonly gpu?: AdapterOptions } = {}): Promise<Capabilities> {
  const features = detectWasmFeatures();
  const { crossOriginIsolated } = platform();
  const [count, gpu, opfs] = await Promise.all([defaultThreads(features), gpuCapabilities(options.gpu), opfsCapability()]);
  return {
    simd: capability(features.simd, HELP.simd),
    relaxedSimd: capability(features.relaxedSimd, HELP.relaxedSimd),
    threads: { ...threadCapability(features), count },
    crossOriginIsolated,
    memory: await memoryLimits(),
    ...gpu,
    opfs,
  };
}

/** Whether several threads can run, by itself: it costs nothing. */
export function threadCapability(features: Pick<WasmFeatures, "threads">): Capability {
  return capability(features.threads, platform().crossOriginIsolated === false ? HELP.threads : HELP.shared);
}

function capability(available: boolean, why: string): Capability {
  return available ? { available } : { available, why };
}

async function gpuCapabilities(options: AdapterOptions = {}): Promise<Pick<Capabilities, "webgpu" | "f16" | "subgroups">> {
  try {
    const { adapter } = await findAdapter(options);
    const { info } = adapter;
    const limits: Record<string, number> = {};
    for (const name in adapter.limits) {
      const value = adapter.limits[name as keyof GPUSupportedLimits];
      if (typeof value === "number") limits[name] = value;
    }
    const words = info.description || [info.vendor, info.architecture].filter(Boolean).join(" ");
    return {
      webgpu: { available: true, adapter: words || "unknown adapter", limits },
      f16: capability(adapter.features.has("shader-f16"), HELP.f16),
      subgroups: capability(adapter.features.has("subgroups" as GPUFeatureName), HELP.subgroups),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const missing = { available: false, why };
    return { webgpu: missing, f16: missing, subgroups: missing };
  }
}

async function memoryLimits(): Promise<Capabilities["memory"]> {
  const { navigator, process, performance } = platform();
  const node = process?.versions?.node !== undefined;
  const machineBytes = node
    ? machineMemory(await import("node:os"))
    : navigator?.deviceMemory === undefined
      ? undefined
      : navigator.deviceMemory * 2 ** 30;
  return { wasmBytes: largestMemory(), machineBytes, heapBytes: performance?.memory?.jsHeapSizeLimit };
}

/** The browser's bundle has no Node modules in it, wherever it runs. */
function machineMemory(os: Partial<typeof import("node:os")>): number | undefined {
  return os.totalmem?.();
}

/** Phones refuse to reserve 4 GiB. */
function largestMemory(): number {
  for (let pages = 65536; pages >= 1024; pages /= 2) {
    try {
      new WebAssembly.Memory({ initial: 1, maximum: pages, shared: true });
      return pages * 65536;
    } catch {}
  }
  return 0;
}

async function opfsCapability(): Promise<Capabilities["opfs"]> {
  const { navigator, process, isSecureContext } = platform();
  if (process?.versions?.node) return { available: false, why: HELP.opfsNode };
  if (isSecureContext === false) return { available: false, why: HELP.insecure };
  try {
    if (!navigator?.storage?.getDirectory) return { available: false, why: HELP.opfs };
    await navigator.storage.getDirectory();
    const { quota, usage } = (await navigator.storage.estimate?.()) ?? {};
    return { available: true, quotaBytes: quota, usedBytes: usage };
  } catch (error) {
    return { available: false, why: `${HELP.opfs} (${error instanceof Error ? error.message : error})` };
  }
}
