import type { BackendBuffer } from "../backend.ts";
import type { ThreadOptions } from "./threads.ts";
import { WasmBackend } from "./wasm.ts";

/** Beyond caches: shared L3s of 256 MiB are in use. */
const STREAM_BYTES = 2 ** 29;
/** Of one unit of assembly/ops/stream_read.ts. */
export const STREAM_UNIT_BYTES = 65536;
/** A round before these lets the engine compile the kernel. */
const ROUNDS = 8;

/**
 * Bytes a second that the CPU's threads together stream from memory through WASM: the best of several timed reads of 512 MiB, so that a
 * busy neighbour does not lower the roof. Opens a backend of its own and closes it. Throws CapabilityError, InvalidArgumentError,
 * OutOfMemoryError.
 */
export async function measureCpuBandwidth(options: ThreadOptions = {}): Promise<{ threads: number; bytesPerSecond: number }> {
  const backend = await WasmBackend.create(options);
  try {
    const data = backend.alloc(STREAM_BYTES);
    backend.view(data, 0, STREAM_BYTES).fill(1); // never written, every page would be the system's one page of zeros, and read from L1
    const sums = allocSums(backend, data);
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round <= ROUNDS; round++) {
      const start = performance.now();
      backend.streamRead(data, sums);
      if (round > 0) best = Math.min(best, performance.now() - start);
    }
    return { threads: backend.threads, bytesPerSecond: STREAM_BYTES / (best / 1000) };
  } finally {
    backend.close();
  }
}

/** i32[units]: what `streamRead` has read, added up. */
export const allocSums = (backend: WasmBackend, data: BackendBuffer): BackendBuffer => backend.alloc((4 * data.bytes) / STREAM_UNIT_BYTES);
