import { CapabilityError } from "../../errors.ts";

/** What this JavaScript engine can run. */
export interface WasmFeatures {
  readonly simd: boolean;
  readonly relaxedSimd: boolean;
  /** Workers can share memory: Node and Deno always, a page only when cross-origin isolated. */
  readonly threads: boolean;
}

/** More threads than this never paid on any machine known, and each has scratch memory. */
export const MAX_THREADS = 64;

const HEADER = [0, 97, 115, 109, 1, 0, 0, 0];
/** A module of one function () -> v128 with this body. */
const v128Module = (body: number[]) =>
  new Uint8Array([...HEADER, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, body.length + 4, 1, body.length + 2, 0, ...body, 11]);
/** i8x16.popcnt(i8x16.splat(0)) */
const SIMD = v128Module([65, 0, 253, 15, 253, 98]);
/** i8x16.relaxed_swizzle(splat(1), splat(2)) */
const RELAXED_SIMD = v128Module([65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2]);

/** Tries each feature on a module of a few bytes; nothing is run. */
export function detectWasmFeatures(): WasmFeatures {
  const validate = (bytes: Uint8Array<ArrayBuffer>) => typeof WebAssembly === "object" && WebAssembly.validate(bytes);
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  return {
    simd: validate(SIMD),
    relaxedSimd: validate(RELAXED_SIMD),
    threads: typeof SharedArrayBuffer === "function" && isolated !== false,
  };
}

/** Throws CapabilityError where not even the plain build can run. */
export function requireSimd(features: WasmFeatures): void {
  if (!features.simd) {
    throw new CapabilityError(
      "WebAssembly SIMD is needed and this JavaScript engine has none: use Node 20, Deno 2, Chrome 91, Firefox 89, Safari 16.4 or newer",
    );
  }
}

/** The machine's cores where threads can share memory: `navigator` in pages, Deno and newer Node, node:os in Node 20. */
export async function defaultThreads(features: WasmFeatures): Promise<number> {
  if (!features.threads) return 1;
  const { navigator, process } = globalThis as { navigator?: { hardwareConcurrency?: number }; process?: { versions?: { node?: string } } };
  const cores = navigator?.hardwareConcurrency ?? (process?.versions?.node ? (await import("node:os")).availableParallelism() : 1);
  return Math.max(1, Math.min(cores, MAX_THREADS));
}
