import type { KernelText } from "./kernels.ts";

export function compileAll(adapter: GPUAdapter, kernels: readonly KernelText[], modules?: boolean): Promise<string[]>;
