import { tensorBytes } from "../../graph/bytes.ts";
import type { Format } from "../../graph/formats.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { GpuRange } from "./dispatch.ts";
import { packedBytes, packedIsRaw, planesOf, ROW_ALIGN, rawBytes } from "./matmul-packing.ts";
import { type GpuMemory, gpuBuffer } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import { Program } from "./program.ts";
import { repackDispatches } from "./weights.ts";

const FIXED = { T: 1, O: 1 };

/** Lays the weights of a split's matmuls out for their kernels, on the GPU, once: the first plan that reads them does it for all. */
export async function packWeights(split: Split, device: GpuDevice, memory: GpuMemory, pipelines: Pipelines): Promise<void> {
  for (const tensor of matmulWeights(split.nodes)) {
    const location = split.locations.get(tensor);
    if (!location) continue; // lowering will say so, with the node
    const buffer = gpuBuffer(location.buffer);
    const [rows, K] = rowsAndLength(tensor);
    if (buffer.isPacked(location.offset) || packedIsRaw(tensor.type as Format, K)) continue;
    const bytes = tensorBytes(tensor, FIXED);
    const packed = memory.alloc(packedBytes(tensor.type as Format, rows, K), `packed ${tensor.name}`);
    const raw = buffer.range(location.offset, bytes);
    pack(tensor.type as Format, raw, { buffer: packed, offset: 0, bytes: packed.size }, rows, K, device, pipelines);
    release(buffer.pack(location.offset, bytes, packed), memory, device);
    await memory.settle();
  }
}

/** Weights that some matmul, matmul_experts or get_rows reads as `w`. */
function matmulWeights(nodes: readonly Node[]): ReadonlySet<Tensor> {
  const weights = nodes.map(({ inputs }) => inputs.w?.storage).filter((tensor): tensor is Tensor => tensor?.kind === "weight");
  return new Set(weights);
}

/** [X, N, K] and [N, K] are rows of K. */
function rowsAndLength({ shape }: Tensor): [rows: number, K: number] {
  const K = shape.at(-1) as number;
  return [shape.slice(0, -1).reduce<number>((product, dim) => product * (dim as number), 1), K];
}

/** In chunks of rows that one binding holds, on either side. */
function pack(format: Format, raw: GpuRange, packed: GpuRange, rows: number, K: number, device: GpuDevice, pipelines: Pipelines): void {
  const planes = Object.values(planesOf(format, 1, K)).map((plane) => plane?.rowBytes ?? 0);
  const most = Math.floor(device.caps.limits.maxStorageBufferBindingSize / Math.max(rawBytes(format, 1, K), ...planes));
  const chunk = rows <= most ? rows : Math.max(ROW_ALIGN, Math.floor(most / ROW_ALIGN) * ROW_ALIGN);
  for (let first = 0; first < rows; first += chunk) {
    const count = Math.min(chunk, rows - first);
    const from = { buffer: raw.buffer, offset: raw.offset + rawBytes(format, first, K), bytes: rawBytes(format, count, K) };
    const dispatches = repackDispatches(format, from, packed, rows, K, { first, count }).map((one) => ({ ...one, flops: 0 }));
    const program = new Program(device, pipelines, dispatches, FIXED);
    program.run();
    program.dispose();
  }
}

/** Destroyed buffers are freed at a later submit: here, or the raw bytes of a whole model would pile up beside the packed ones. */
function release(raw: GPUBuffer | undefined, memory: GpuMemory, device: GpuDevice): void {
  if (!raw) return;
  memory.free(raw);
  device.device.queue.submit([]);
}
