import type { Backend, BackendBuffer } from "../backends/backend.ts";
import { tensorBytes } from "../graph/bytes.ts";
import { formatByName, rowBytes } from "../graph/formats.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { DownloadProgress } from "../io/download.ts";
import type { GgufTensor } from "../io/gguf.ts";
import { READ_BLOCK_BYTES, type ReadOptions, readInto } from "../io/source.ts";
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
/** As many as Node has threads for files: one alone waits for the disk, or for the system to find memory. */
const READS_IN_FLIGHT = 4;

/** Rows of a tensor that are read at once, and the weights that take some of them. */
interface Block {
  readonly tensor: GgufTensor;
  readonly users: readonly (readonly [Tensor, WeightSource])[];
  readonly rows: RowRange;
  readonly bytesPerRow: number;
}

/**
 * Streams every weight from the file to the backends where it lives: each byte of the file is read once, in blocks, in file order but a few at a
 * time. Where a weight is a tensor as it is and JavaScript can write its memory, it is read right into place; others take their rows from
 * the block. Weights that the machine pages stay where they are. Frees everything again when it fails.
 */
export async function uploadWeights(
  weights: Weights,
  { backends, pins, page }: Machine,
  options: UploadOptions = {},
): Promise<WeightBuffers> {
  const buffers: WeightBuffers = new Map();
  const users = new Map<GgufTensor, [Tensor, WeightSource][]>();
  for (const [weight, source] of weights.sources) {
    const paged = page?.(weight, source);
    if (paged) buffers.set(weight.name, new Map(pins(weight).map((target) => [target, paged])));
    else users.set(source.tensor, [...(users.get(source.tensor) ?? []), [weight, source]]);
  }
  const totalBytes = [...users.keys()].reduce((sum, tensor) => sum + tensor.bytes, 0);
  const left = new Map([...users.keys()].map((tensor) => [tensor, tensor.bytes]));
  let loadedBytes = 0;
  let loadedTensors = 0;
  const load = async (block: Block) => {
    options.signal?.throwIfAborted();
    const { tensor, rows, bytesPerRow } = block;
    await loadBlock(block, buffers, backends, options);
    const bytes = rows.count * bytesPerRow;
    loadedBytes += bytes;
    left.set(tensor, left.get(tensor)! - bytes);
    if (left.get(tensor) === 0) loadedTensors++;
    options.onProgress?.({ phase: "load", loadedBytes, totalBytes, loadedTensors, totalTensors: users.size, tensor: tensor.name });
  };
  try {
    for (const [weight] of [...users.values()].flat()) {
      const homes = new Map<number, BackendBuffer>();
      buffers.set(weight.name, homes);
      for (const target of pins(weight)) homes.set(target, backends[target]!.alloc(tensorBytes(weight, FIXED)));
    }
    const blocks = [...users].flatMap(([tensor, wanting]) => cutBlocks(tensor, wanting));
    await inFlight(blocks, load);
  } catch (error) {
    freeWeights(buffers, backends);
    throw error;
  }
  return buffers;
}

/** Works through items in order, READS_IN_FLIGHT at a time. After a failure nothing more is begun; it is thrown when nothing is under way. */
async function inFlight<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const failures: unknown[] = [];
  const lane = async () => {
    try {
      for (const item of rest) {
        if (failures.length > 0) return;
        await work(item);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: READS_IN_FLIGHT }, lane));
  if (failures.length > 0) throw failures[0];
}

function cutBlocks(tensor: GgufTensor, users: Block["users"]): Block[] {
  const rows = tensor.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const bytesPerRow = tensor.bytes / rows;
  const whole = users.some(([, { convert }]) => convert === "f32-transposed");
  const step = whole ? rows : Math.max(1, Math.floor(READ_BLOCK_BYTES / bytesPerRow));
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
    return { tensor, users, rows: { first: i * step, count: Math.min(step, rows - i * step) }, bytesPerRow };
  });
}

async function loadBlock(block: Block, buffers: WeightBuffers, backends: readonly Backend[], options: ReadOptions): Promise<void> {
  const { tensor, users, rows, bytesPerRow } = block;
  const [at, bytes] = [rows.first * bytesPerRow, rows.count * bytesPerRow];
  const homes = users.flatMap(([weight, source]) =>
    [...buffers.get(weight.name)!].map(([target, buffer]) => ({ source, backend: backends[target]!, buffer })),
  );
  const [only] = homes;
  const inPlace = homes.length === 1 && only && !only.source.rows && !only.source.convert;
  const goal = inPlace ? only.backend.view?.(only.buffer, at, bytes) : undefined;
  if (goal) return readInto(tensor.source, tensor.offset + at, goal, options);
  const read = await tensor.source.read(tensor.offset + at, bytes, options);
  for (const { source, backend, buffer } of homes) writeRows(backend, buffer, source, rows, read, tensor.shape.at(-1)!);
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
