import type { Split } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { GpuMemory } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";

/** Lays the weights of a split's matmuls out for their kernels, on the GPU, once. */
export async function packWeights(_split: Split, _device: GpuDevice, _memory: GpuMemory, _pipelines: Pipelines): Promise<void> {}
