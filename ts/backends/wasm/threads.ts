import { BackendError, InvalidArgumentError } from "../../errors.ts";
import { defaultThreads, detectWasmFeatures, MAX_THREADS, requireSimd } from "./features.ts";
import { type KernelWorker, startWorker } from "./workers.ts";

/** How the CPU backend runs. */
export interface ThreadOptions {
  /** Threads, the caller's included. Default: the machine's cores; 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Build of the kernels. Default: relaxed SIMD where the engine has it. */
  readonly build?: "simd" | "relaxed";
}

/** A program in a bank, and what its threads need to run it: addresses and counts. */
export interface Job {
  readonly program: number;
  /** Commands. */
  readonly count: number;
  readonly scratch: number;
  /** Of each thread. */
  readonly scratchBytes: number;
  /** Where times go; 0 where none are wanted. */
  readonly times: number;
}

interface KernelExports {
  rewind(job: number): void;
  wake(job: number): void;
  run(job: number, id: number): void;
}

/** The job block that assembly/interpreter.ts reads, on the first page of each bank. */
const JOB = 4096;
const JOB_WORD = { program: 16, count: 17, threads: 18, spin: 19, bank: 20, scratch: 21, scratchBytes: 22, times: 23 };
/** In the place of a bank: threads end. */
const STOP = -1;
/** Looks at a barrier before a worker sleeps: 50-100 µs. Sleeping and waking costs 25-60 µs, the gap between two tokens less. */
const SPIN = 150_000;

/** The threads that run programs: each has an instance of the kernels for every bank, a memory of at most 4 GiB. */
export class KernelThreads {
  readonly build: "simd" | "relaxed";
  /** The caller's included. */
  readonly count: number;
  readonly #memories: readonly WebAssembly.Memory[];
  readonly #banks: readonly KernelExports[];
  readonly #workers: readonly KernelWorker[];
  #open: number;

  private constructor(
    build: "simd" | "relaxed",
    memories: readonly WebAssembly.Memory[],
    banks: readonly KernelExports[],
    workers: readonly KernelWorker[],
  ) {
    this.build = build;
    this.count = workers.length + 1;
    this.#memories = memories;
    this.#banks = banks;
    this.#workers = workers;
    this.#open = memories.length;
  }

  /** Compiles the kernels and starts the workers, which get ready meanwhile. Throws CapabilityError without SIMD. */
  static async create(memories: readonly WebAssembly.Memory[], options: ThreadOptions): Promise<KernelThreads> {
    const features = detectWasmFeatures();
    requireSimd(features);
    const build = options.build ?? (features.relaxedSimd ? "relaxed" : "simd");
    const threads = options.threads ?? (await defaultThreads(features));
    if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
      throw new InvalidArgumentError(`threads must be a whole number from 1 to ${MAX_THREADS}, got ${threads}`);
    }
    const { default: binary } =
      build === "relaxed" ? await import("../../../build/kernels.relaxed.wasm") : await import("../../../build/kernels.simd.wasm");
    const module = await WebAssembly.compile(binary);
    const abort = () => {
      throw new BackendError("wasm: a kernel aborted");
    };
    const instances = memories.map((memory) => WebAssembly.instantiate(module, { env: { memory, abort, now: () => performance.now() } }));
    const banks = (await Promise.all(instances)).map(({ exports }) => exports as unknown as KernelExports);
    const count = features.threads ? threads - 1 : 0;
    for (const memory of memories) {
      const words = jobWords(memory);
      words[JOB_WORD.spin] = SPIN;
      words[JOB_WORD.threads] = count + 1;
    }
    const start = { module, memories, job: JOB, bankWord: JOB / 4 + JOB_WORD.bank, origin: performance.timeOrigin };
    const workers = await Promise.all(Array.from({ length: count }, (_, i) => startWorker({ ...start, id: i + 1 })));
    return new KernelThreads(build, memories, banks, workers);
  }

  /** Resolves when every thread has its instances. Throws BackendError. */
  async ready(): Promise<void> {
    await Promise.all(this.#workers.map(({ ready }) => ready));
  }

  /** Runs a program with the calling thread as one of all, and returns when it is through. */
  run(bank: number, job: Job): void {
    const words = jobWords(this.#memories[bank]!);
    for (const name of ["program", "count", "scratch", "scratchBytes", "times"] as const) words[JOB_WORD[name]] = job[name];
    const kernels = this.#banks[bank]!;
    kernels.rewind(JOB);
    if (this.count > 1) this.#call(bank);
    kernels.run(JOB, 0);
  }

  /** A bank is closed; with the last one the threads end. */
  close(): void {
    if (--this.#open > 0) return;
    this.#call(STOP);
    for (const worker of this.#workers) worker.terminate();
  }

  #call(bank: number): void {
    jobWords(this.#memories[0]!)[JOB_WORD.bank] = bank;
    this.#banks[0]!.wake(JOB);
  }
}

const jobWords = (memory: WebAssembly.Memory) => new Int32Array(memory.buffer, JOB, 32);
