import type { Backend } from "../backends/backend.ts";
import type { ExpertStats } from "../backends/wasm/expert-cache.ts";
import { WasmBackend } from "../backends/wasm/wasm.ts";
import type { ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import type { Pins } from "../schedule/schedule.ts";
import { bankPins, planBanks } from "./banks.ts";
import type { PageWeight } from "./machine.ts";
import { ExpertPaging, sumStats } from "./paging.ts";

export interface CpuOptions {
  /** CPU threads (-t), the caller's included. Default: the machine's cores; 1 where a page is not cross-origin isolated. */
  readonly threads?: number;
  /** Which build of the CPU kernels. Default: relaxed SIMD where the JavaScript engine has it. */
  readonly wasmBuild?: "simd" | "relaxed";
  /**
   * Leave the experts in the file and keep those used last in so many bytes of memory (--expert-cache): for models larger than memory.
   * Results are the same. The source stays open. Default: all experts are loaded.
   */
  readonly expertCache?: number;
  /** @internal Weights and states in one WebAssembly memory at most, for tests. Default: most of 4 GiB. */
  readonly bankBytes?: number;
}

/** The CPU's memories, open. */
export interface OpenCpu {
  /** In the order of the scheduler's targets: the first bank, the GPU where there is one, more banks. */
  readonly backends: readonly Backend[];
  readonly pins: Pins;
  /** Changes of bank in a run. */
  readonly borders: number;
  /** The caller's included. */
  readonly threads: number;
  readonly description: string;
  readonly page?: PageWeight;
  /** Undefined where no experts are paged. */
  expertStats(): ExpertStats | undefined;
  close(): void;
}

/** Opens as many banks as hold what `pins` puts on the CPU. Throws CapabilityError, InvalidArgumentError, OutOfMemoryError. */
export async function openCpu(graph: ModelGraph, config: Config, pins: Pins, options: CpuOptions, gpu?: Backend): Promise<OpenCpu> {
  const paging = ExpertPaging.plan(graph, pins, options.expertCache);
  const plan = planBanks(graph, config, pins, options.bankBytes, paging?.bytesOf);
  const { threads, wasmBuild: build } = options;
  const banks = await WasmBackend.createBanks(plan.bytes.length, { threads, build });
  const [first, ...more] = banks as [WasmBackend, ...WasmBackend[]];
  const simd = first.build === "relaxed" ? "relaxed SIMD" : "SIMD";
  const count = `${first.threads} thread${first.threads === 1 ? "" : "s"}`;
  return {
    backends: [first, ...(gpu ? [gpu] : []), ...more],
    pins: bankPins(pins, plan, gpu !== undefined),
    borders: plan.borders,
    threads: first.threads,
    description: `wasm (${simd}, ${count}${more.length > 0 ? `, ${banks.length} memories` : ""})`,
    page: paging?.open(banks, plan.bankOf),
    expertStats: () => sumStats(banks),
    close: () => banks.forEach((bank) => void bank.close()),
  };
}
