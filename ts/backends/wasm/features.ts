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
const [I32, V128] = [127, 123];
/** A module that exports one function f () -> result with this body. */
const moduleOf = (result: number, body: number[]) => {
  const head = [...HEADER, 1, 5, 1, 96, 0, 1, result, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0];
  return new Uint8Array([...head, 10, body.length + 4, 1, body.length + 2, 0, ...body, 11]);
};
/** i8x16.popcnt(i8x16.splat(0)) */
const SIMD = moduleOf(V128, [65, 0, 253, 15, 253, 98]);
/** Lane 0 of i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(-100), i8x16.splat(100), i32x4.splat(7)) */
const DOT_OPERANDS = [65, 156, 127, 253, 15, 65, 228, 0, 253, 15, 65, 7, 253, 17];
const RELAXED_DOT = moduleOf(I32, [...DOT_OPERANDS, 253, 147, 2, 253, 27, 0]);

const validate = (bytes: Uint8Array<ArrayBuffer>) => typeof WebAssembly === "object" && WebAssembly.validate(bytes);

/** Node 20 has relaxed SIMD behind a flag, and adds wrongly: a known answer is asked for, 7 - 4 · 100 · 100. */
function hasRelaxedSimd(): boolean {
  if (!validate(RELAXED_DOT)) return false;
  try {
    const { f } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_DOT)).exports as { f(): number };
    return f() === -39_993;
  } catch {
    return false; // a page's Content-Security-Policy forbids WebAssembly: who loads a model hears of it
  }
}

/** Tries each feature on a module of a few bytes. */
export function detectWasmFeatures(): WasmFeatures {
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  return {
    simd: validate(SIMD),
    relaxedSimd: hasRelaxedSimd(),
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
