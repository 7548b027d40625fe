import { kernels } from "../../../build/kernels.js";
import { BackendError, DisposedError, InvalidArgumentError } from "../../errors.ts";
import type { Dims, Node, Tensor } from "../../graph/tensor.ts";
import type { Backend, BackendBuffer, Plan, Recorder, Split, Step } from "../backend.ts";
import { defaultThreads, detectWasmFeatures, MAX_THREADS, requireSimd } from "./features.ts";
import { Lowering, type Scratch, scratchSizes } from "./lower.ts";
import { WasmMemory } from "./memory.ts";
import { encode } from "./program.ts";
import { type KernelWorker, startWorker } from "./workers.ts";

/** How the CPU backend runs. */
export interface WasmOptions {
  /** Threads, the caller's included. Default: the machine's cores; 1 where memory cannot be shared. */
  readonly threads?: number;
  /** Build of the kernels. Default: relaxed SIMD where the engine has it. */
  readonly build?: "simd" | "relaxed";
}

interface KernelExports {
  submit(job: number): void;
}

/** The first page is the engine's, the second the module's static data: scripts/build-wasm.mjs. */
const RESERVED_BYTES = 2 * 65536;
/** The job block that assembly/interpreter.ts reads, on the first page. */
const JOB = 4096;
const JOB_WORD = { program: 16, count: 17, threads: 18, spin: 19, stop: 20, scratch: 21, scratchBytes: 22, times: 23 };
/** Looks at a barrier before a worker sleeps: 50-100 µs. Sleeping and waking costs 25-60 µs, the gap between two tokens less. */
const SPIN = 150_000;
/** Programs kept per plan: a decoding batch of 1 … 8 sequences, a full ubatch and its last part. */
const MAX_PROGRAMS = 16;

class WasmBuffer implements BackendBuffer {
  readonly address: number;
  readonly bytes: number;
  constructor(address: number, bytes: number) {
    this.address = address;
    this.bytes = bytes;
  }
}

interface WasmPlan extends Plan {
  readonly scratch: Scratch & { readonly workers: number; readonly perWorkerBytes: number };
  /** The program for each choice of dims, oldest first. */
  readonly programs: Map<string, WasmProgram>;
}

/** Commands in memory, and what each of them is. */
interface WasmProgram {
  readonly address: number;
  readonly steps: readonly Step[];
}

/** The CPU path: AssemblyScript kernels over one shared memory, run by all threads from a command buffer. */
export class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly build: "simd" | "relaxed";
  readonly threads: number;
  readonly #memory: WasmMemory;
  readonly #exports: KernelExports;
  readonly #workers: readonly KernelWorker[];
  #closed = false;

  private constructor(build: "simd" | "relaxed", memory: WasmMemory, exports: KernelExports, workers: readonly KernelWorker[]) {
    this.build = build;
    this.threads = workers.length + 1;
    this.#memory = memory;
    this.#exports = exports;
    this.#workers = workers;
  }

  /** Compiles the kernels and starts the workers. Throws CapabilityError without SIMD. */
  static async create(options: WasmOptions = {}): Promise<WasmBackend> {
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
    const memory = new WasmMemory(RESERVED_BYTES);
    const abort = () => {
      throw new BackendError("wasm: a kernel aborted");
    };
    const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory, abort, now: () => performance.now() } });
    memory.i32[JOB / 4 + JOB_WORD.spin] = SPIN;
    const count = features.threads ? threads - 1 : 0;
    const start = { module, memory: memory.memory, job: JOB, sequence: 0, origin: performance.timeOrigin };
    const starts = Array.from({ length: count }, (_, i) => startWorker({ ...start, id: i + 1 }));
    return new WasmBackend(build, memory, instance.exports as unknown as KernelExports, await Promise.all(starts));
  }

  /** Bytes allocated now, weights and all. */
  get usedBytes(): number {
    return this.#memory.usedBytes;
  }

  supports(node: Node): boolean {
    if (!kernels[node.op.name]) return false;
    const last = (argument: string) => node.inputs[argument]!.shape.at(-1) as number;
    switch (node.op.name) {
      case "conv1d": // the window of 4 taps lives in registers
        return node.inputs.weight!.shape[0] === 4 && last("x") % 4 === 0;
      case "gated_delta":
        return last("state") % 4 === 0 && (node.inputs.state!.shape[2] as number) % 2 === 0;
      case "attention":
        return last("q") % 4 === 0;
      default:
        return true;
    }
  }

  alloc(bytes: number): BackendBuffer {
    this.#check();
    return new WasmBuffer(this.#memory.alloc(bytes), bytes);
  }

  free(buffer: BackendBuffer): void {
    if (!this.#closed) this.#memory.free(address(buffer));
  }

  write(buffer: BackendBuffer, offset: number, bytes: Uint8Array): void {
    this.#check();
    if (offset < 0 || offset + bytes.length > buffer.bytes) {
      throw new BackendError(`wasm: ${bytes.length} bytes at ${offset} do not fit a buffer of ${buffer.bytes}`);
    }
    this.#memory.u8.set(bytes, address(buffer) + offset);
  }

  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    this.#check();
    const begin = address(buffer) + offset;
    const copy = new Uint8Array(bytes); // not slice(): that would give a SharedArrayBuffer, which TextDecoder and others refuse
    copy.set(this.#memory.u8.subarray(begin, begin + bytes));
    return copy;
  }

  async prepare(split: Split): Promise<Plan> {
    this.#check();
    for (const node of split.nodes) {
      if (!this.supports(node)) throw new BackendError(`wasm: no kernel for node "${node.name}" (${node.op.name}) with these shapes`);
    }
    const sizes = scratchSizes(split);
    const taken: number[] = [];
    const alloc = (bytes: number) => {
      taken.push(this.#memory.alloc(bytes));
      return taken.at(-1)!;
    };
    try {
      const activations = Object.fromEntries(Object.entries(sizes.activations).map(([kind, bytes]) => [kind, alloc(bytes)]));
      const perWorkerBytes = Math.ceil(sizes.perWorker / 64) * 64;
      const scratch = { activations, expertPlan: alloc(sizes.expertPlan), workers: alloc(perWorkerBytes * this.threads), perWorkerBytes };
      const plan: WasmPlan = { split, scratch, programs: new Map(), dispose: () => this.#release(plan) };
      return plan;
    } catch (error) {
      for (const begin of taken) this.#memory.free(begin);
      throw error;
    }
  }

  run(plan: Plan, dims: Dims, recorder?: Recorder): void {
    this.#check();
    const { scratch } = plan as WasmPlan;
    const program = this.#program(plan as WasmPlan, dims);
    const rows = program.steps.length + 1;
    const times = recorder ? this.#memory.alloc(16 * rows * this.threads) : 0;
    const i32 = this.#memory.i32;
    const job = JOB / 4;
    i32[job + JOB_WORD.program] = program.address;
    i32[job + JOB_WORD.count] = program.steps.length;
    i32[job + JOB_WORD.threads] = this.threads;
    i32[job + JOB_WORD.scratch] = scratch.workers;
    i32[job + JOB_WORD.scratchBytes] = scratch.perWorkerBytes;
    i32[job + JOB_WORD.times] = times;
    this.#exports.submit(JOB);
    recorder?.record({ backend: this.name, dims, steps: program.steps, threads: this.threads, times: this.#takeTimes(times, rows) });
  }

  /** The times that a run has left, [threads, rows, 2], and frees them. All threads' runs end when thread 0 saw all of them through. */
  #takeTimes(begin: number, rows: number): Float64Array {
    const times = new Float64Array(new Float64Array(this.#memory.memory.buffer, begin, 2 * rows * this.threads));
    this.#memory.free(begin);
    const end = times[2 * rows - 1]!;
    for (let thread = 1; thread < this.threads; thread++) times[2 * rows * (thread + 1) - 1] = end;
    return times;
  }

  #release({ scratch, programs }: WasmPlan): void {
    if (this.#closed) return;
    for (const begin of [...Object.values(scratch.activations), scratch.expertPlan, scratch.workers]) this.#memory.free(begin);
    for (const { address: begin } of programs.values()) this.#memory.free(begin);
    programs.clear();
  }

  /** All threads together read a buffer from end to end, and do nothing else: see bandwidth.ts. Bytes in whole units of the kernel. */
  streamRead(data: BackendBuffer, sums: BackendBuffer): void {
    this.#check();
    const [x, out, units] = [address(data), address(sums), sums.bytes / 4];
    const command = { kernel: "stream_read", args: { out, x }, units, nodes: [], share: 0, reads: [], writes: [], work: data.bytes };
    const words = encode([command], this.threads);
    const program = this.#memory.alloc(words.byteLength);
    this.#memory.u8.set(new Uint8Array(words.buffer), program);
    const job = { program, count: 1, threads: this.threads, scratch: 0, scratchBytes: 0 };
    const i32 = this.#memory.i32;
    for (const [word, value] of Object.entries(job)) i32[JOB / 4 + JOB_WORD[word as keyof typeof job]] = value;
    this.#exports.submit(JOB);
    this.#memory.free(program);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const i32 = this.#memory.i32;
    i32[JOB / 4 + JOB_WORD.stop] = 1;
    Atomics.add(i32, JOB / 4, 1);
    Atomics.notify(i32, JOB / 4);
    for (const worker of this.#workers) worker.terminate();
  }

  #program(plan: WasmPlan, dims: Dims): WasmProgram {
    const key = `${dims.T},${dims.O}`;
    const known = plan.programs.get(key);
    if (known) {
      plan.programs.delete(key); // moves it to the young end
      plan.programs.set(key, known);
      return known;
    }
    if (plan.programs.size >= MAX_PROGRAMS) {
      const [oldest, program] = plan.programs.entries().next().value!;
      this.#memory.free(program.address);
      plan.programs.delete(oldest);
    }
    const locate = (tensor: Tensor) => {
      const location = plan.split.locations.get(tensor.storage);
      if (!location) throw new BackendError(`wasm: tensor "${tensor.name}" has no location in this split`);
      return address(location.buffer) + location.offset;
    };
    const commands = new Lowering(plan.split, dims, plan.scratch, locate).commands();
    const words = encode(commands, this.threads);
    const steps = commands.map(({ kernel, nodes, share }) => ({ kernel, nodes, share }));
    const program = { address: this.#memory.alloc(words.byteLength), steps };
    this.#memory.u8.set(new Uint8Array(words.buffer), program.address);
    plan.programs.set(key, program);
    return program;
  }

  #check(): void {
    if (this.#closed) throw new DisposedError("wasm: this backend was closed: load the model again");
  }
}

function address(buffer: BackendBuffer): number {
  if (!(buffer instanceof WasmBuffer)) throw new BackendError("wasm: this buffer belongs to another backend");
  return buffer.address;
}
