import common from "../../../gpu/common.wgsl";
import type { Dispatch, GpuRange, KernelSpec } from "./dispatch.ts";

/** Invocations of a workgroup where nothing else decides: the most that every device has, 256, for rows of thousands of elements. */
export const WG = 256;
/** A workgroup dimension holds so many on every device. */
const MAX_GROUPS = 65535;

/** At least n workgroups, folded into two dimensions; kernels count with `folded` and stop at their own end. */
export function fold(n: number): [number, number, number] {
  const y = Math.max(1, Math.ceil(n / MAX_GROUPS));
  return [Math.max(1, Math.ceil(n / y)), y, 1];
}

/** Workgroups of WG invocations for so many elements. */
export const foldElements = (elements: number): [number, number, number] => fold(Math.ceil(elements / WG));

/** A number as a WGSL constant of type f32. */
export function f32(value: number): string {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Invocations for rows of n elements: what a row can feed, 64 to WG. More invocations than that only wait at its barriers. */
export function rowWorkgroup(n: number): number {
  return n >= 1024 ? WG : n >= 256 ? 128 : 64;
}

/** One dispatch of a kernel whose bindings are (range, access) in the order of its file. common.wgsl comes with it. */
export function dispatch(
  name: string,
  files: readonly string[],
  constants: KernelSpec["constants"],
  bindings: readonly (readonly ["read" | "read_write", GpuRange])[],
  workgroups: readonly [number, number, number],
): Dispatch {
  const kernel: KernelSpec = { name, files: [common, ...files], constants, access: bindings.map(([access]) => access) };
  return { kernel, bindings: bindings.map(([, range]) => range), workgroups };
}
