import type { GpuDevice } from "./device.ts";
import { BUFFER_USAGE, MAP_MODE_READ } from "./usage.ts";

/** WebGPU's limit of one query set. */
const MAX_QUERIES = 4096;

/** Times a run's passes by timestamp queries: two a pass. Good for one run. */
export class PassTimer {
  readonly #device: GpuDevice;
  readonly #sets: readonly GPUQuerySet[];
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;

  constructor(device: GpuDevice, passes: number) {
    this.#device = device;
    const queries = 2 * passes;
    const count = (i: number) => Math.min(MAX_QUERIES, queries - i * MAX_QUERIES);
    const sets = Array.from({ length: Math.ceil(queries / MAX_QUERIES) }, (_, i) => count(i));
    this.#sets = sets.map((each) => device.device.createQuerySet({ type: "timestamp", count: each }));
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = BUFFER_USAGE;
    this.#resolved = device.device.createBuffer({ size: 8 * queries, usage: QUERY_RESOLVE | COPY_SRC });
    this.#staging = device.device.createBuffer({ size: 8 * queries, usage: COPY_DST | MAP_READ });
  }

  /** To begin pass i with. */
  writes(i: number): GPUComputePassTimestampWrites {
    const at = (2 * i) % MAX_QUERIES;
    const querySet = this.#sets[Math.floor((2 * i) / MAX_QUERIES)]!;
    return { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** After all passes: begin and end of each, f64[passes, 2], in milliseconds of the GPU's own clock. Throws BackendError, DeviceLostError. */
  async read(): Promise<Float64Array> {
    const { device } = this.#device;
    const encoder = device.createCommandEncoder();
    this.#sets.forEach((set, i) => {
      encoder.resolveQuerySet(set, 0, set.count, this.#resolved, 8 * MAX_QUERIES * i);
    });
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#resolved.size);
    device.queue.submit([encoder.finish()]);
    try {
      await this.#staging.mapAsync(MAP_MODE_READ);
      return Float64Array.from(new BigUint64Array(this.#staging.getMappedRange()), (nanoseconds) => Number(nanoseconds) / 1e6);
    } catch (cause) {
      throw await this.#device.explain(cause);
    } finally {
      for (const one of [...this.#sets, this.#resolved, this.#staging]) one.destroy();
    }
  }
}

/**
 * The times of a run's steps as a Timeline has them, [steps + 1, 2], from its passes' begins and ends. A pass is reached when the one
 * before has ended; a clock that goes in coarse steps, or passes that overlap, never make time run backwards.
 */
export function stepTimes(passes: Float64Array, offset: number): Float64Array {
  const times = new Float64Array(passes.length + 2); // [reached, begun] a pass, then the last end twice
  let last = passes[0]!;
  for (let i = 0; i < passes.length; i += 2) {
    const begin = Math.max(last, passes[i]!);
    times[i] = last + offset;
    times[i + 1] = begin + offset;
    last = Math.max(begin, passes[i + 1]!);
  }
  times.fill(last + offset, passes.length);
  return times;
}

/** The least time between two different values, in milliseconds; Infinity where all are alike. */
export function clockStep(times: Float64Array): number {
  const sorted = times.slice().sort();
  const steps = Array.from(sorted, (time, i) => time - sorted[Math.max(0, i - 1)]!).filter((step) => step > 0);
  return Math.min(...steps);
}
