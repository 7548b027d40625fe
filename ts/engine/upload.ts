import type { Backend, BackendBuffer } from "../backends/backend.ts";
import { tensorBytes } from "../graph/bytes.ts";
import { formatByName, rowBytes } from "../graph/formats.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { DownloadProgress } from "../io/download.ts";
import type { GgufTensor } from "../io/gguf.ts";
import { READ_BLOCK_BYTES } from "../io/source.ts";
import type { RowRange, WeightSource, Weights } from "../models/weights.ts";
import type { Machine } from "./machine.ts";

/** How far loading has come: first the download, where there is one, then the way into memory. */
export type LoadProgress = DownloadProgress | UploadProgress;

/** How far the tensors have come into memory. */
export interface UploadProgress {
  readonly phase: "load";
  readonly loadedBytes: number;
  readonly totalBytes: number;
  /** Tensors of the file, done and in all. */
  readonly loadedTensors: number;
  readonly totalTensors: number;
  /** The tensor that is being read. */
  readonly tensor: string;
}

export interface UploadOptions {
  /** Called as bytes arrive from the network and as weights reach their memory. */
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** The weights of a model by the name that they have in the graph: a buffer on each target where they live. */
export type WeightBuffers = Map<string, ReadonlyMap<number, BackendBuffer>>;

/** No extents of a weight vary. */
const FIXED = { T: 1, O: 1 };

/**
 * Streams every weight from the file to the backends where it lives: each byte of the file is read once, in file order, in blocks; a weight that
 * takes some rows of a tensor takes them as they pass. Frees everything again when it fails.
 */
export async function uploadWeights(weights: Weights, { backends, pins }: Machine, options: UploadOptions = {}): Promise<WeightBuffers> {
  const users = new Map<GgufTensor, [Tensor, WeightSource][]>();
  for (const [weight, source] of weights.sources) users.set(source.tensor, [...(users.get(source.tensor) ?? []), [weight, source]]);
  const totalBytes = [...users.keys()].reduce((sum, tensor) => sum + tensor.bytes, 0);
  const buffers: WeightBuffers = new Map();
  let loadedBytes = 0;
  let loadedTensors = 0;
  try {
    for (const [tensor, wanting] of users) {
      for (const [weight] of wanting) {
        const homes = new Map<number, BackendBuffer>();
        buffers.set(weight.name, homes);
        for (const target of pins(weight)) homes.set(target, backends[target]!.alloc(tensorBytes(weight, FIXED)));
      }
      const length = tensor.shape.at(-1)!;
      const bytesPerRow = tensor.bytes / (tensor.shape.reduce((a, b) => a * b, 1) / length);
      const rowsPerBlock = Math.max(1, Math.floor(READ_BLOCK_BYTES / bytesPerRow));
      const rows = tensor.bytes / bytesPerRow;
      const whole = wanting.some(([, { convert }]) => convert === "f32-transposed");
      for (let row = 0; row < rows; ) {
        options.signal?.throwIfAborted();
        const count = whole ? rows : Math.min(rowsPerBlock, rows - row);
        const block = await tensor.source.read(tensor.offset + row * bytesPerRow, count * bytesPerRow, options);
        for (const [weight, source] of wanting) {
          for (const [target, buffer] of buffers.get(weight.name)!)
            writeRows(backends[target]!, buffer, source, { first: row, count }, block, length);
        }
        row += count;
        loadedBytes += block.length;
        if (row >= rows) loadedTensors++;
        options.onProgress?.({ phase: "load", loadedBytes, totalBytes, loadedTensors, totalTensors: users.size, tensor: tensor.name });
      }
    }
  } catch (error) {
    freeWeights(buffers, backends);
    throw error;
  }
  return buffers;
}

export function freeWeights(buffers: WeightBuffers, backends: readonly Backend[]): void {
  for (const homes of buffers.values()) for (const [target, buffer] of homes) backends[target]!.free(buffer);
}

/** Writes what a weight wants of rows `here` of its tensor. `length` elements a row. */
function writeRows(backend: Backend, buffer: BackendBuffer, source: WeightSource, here: RowRange, block: Uint8Array, length: number): void {
  if (source.convert) {
    writeConverted(backend, buffer, source, here, block, length);
    return;
  }
  const bytesPerRow = rowBytes(source.format, length);
  if (!source.rows) {
    backend.write(buffer, here.first * bytesPerRow, block);
    return;
  }
  let to = 0; // row of the weight
  for (const range of source.rows) {
    const first = Math.max(range.first, here.first);
    const last = Math.min(range.first + range.count, here.first + here.count);
    if (first < last) {
      const rows = block.subarray((first - here.first) * bytesPerRow, (last - here.first) * bytesPerRow);
      backend.write(buffer, (to + first - range.first) * bytesPerRow, rows);
    }
    to += range.count;
  }
}

function writeConverted(
  backend: Backend,
  buffer: BackendBuffer,
  source: WeightSource,
  here: RowRange,
  block: Uint8Array,
  length: number,
): void {
  const values = new Float32Array(here.count * length);
  formatByName(source.format).dequantize(block, values);
  if (source.convert === "f32") {
    backend.write(buffer, here.first * length * 4, new Uint8Array(values.buffer));
    return;
  }
  const turned = new Float32Array(values.length); // [C, K] -> [K, C]
  for (let c = 0; c < here.count; c++) for (let k = 0; k < length; k++) turned[k * here.count + c] = values[c * length + k]!;
  backend.write(buffer, 0, new Uint8Array(turned.buffer));
}
