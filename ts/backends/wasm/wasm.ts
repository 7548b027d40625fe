import { kernels } from "../../../build/kernels.js";
import { BackendError, DisposedError } from "../../errors.ts";
import { tensorBytes } from "../../graph/bytes.ts";
import type { Dims, Node, Tensor } from "../../graph/tensor.ts";
import type { Backend, BackendBuffer, Plan, Recorder, Split, Step } from "../backend.ts";
import { ExpertCache, type ExpertStats, PagedBuffer, type PagedWeight } from "./expert-cache.ts";
import { Lowering, type Scratch, scratchSizes } from "./lower.ts";
import { WasmMemory } from "./memory.ts";
import { COMMAND_BYTES, encode } from "./program.ts";
import { KernelThreads, type ThreadOptions } from "./threads.ts";

/** The first page is the engine's, the second the module's static data: scripts/build-wasm.mjs. */
const RESERVED_BYTES = 2 * 65536;
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
  broken: boolean;
  disposed: boolean;
  readonly scratch: Scratch & { readonly workers: number; readonly perWorkerBytes: number };
  /** The program for each choice of dims, oldest first. */
  readonly programs: Map<string, WasmProgram>;
}

/** Commands in memory, and what each of them is. */
interface WasmProgram {
  readonly address: number;
  readonly steps: readonly Step[];
  readonly cuts: readonly Cut[];
}

/** A command that needs experts of its weight brought in: the program stops before it. */
interface Cut {
  readonly step: number;
  readonly weight: PagedBuffer;
  /** Where the router leaves the experts' ids, i32[count]. */
  readonly ids: number;
  readonly count: number;
}

/** The CPU path: AssemblyScript kernels over one shared memory, run by all threads from a command buffer. */
export class WasmBackend implements Backend {
  readonly name: string;
  readonly #bank: number;
  readonly #memory: WasmMemory;
  readonly #threads: KernelThreads;
  #experts: ExpertCache | undefined;
  #closed = false;

  private constructor(bank: number, memory: WasmMemory, threads: KernelThreads) {
    this.name = bank === 0 ? "wasm" : `wasm:${bank}`;
    this.#bank = bank;
    this.#memory = memory;
    this.#threads = threads;
  }

  /** One memory. Throws CapabilityError without SIMD, OutOfMemoryError. */
  static async create(options: ThreadOptions = {}): Promise<WasmBackend> {
    return (await WasmBackend.createBanks(1, options))[0]!;
  }

  /** Several memories, a backend each, and one set of threads for all: as wasm32 addresses end at 4 GiB. */
  static async createBanks(count: number, options: ThreadOptions = {}): Promise<readonly WasmBackend[]> {
    const memories = Array.from({ length: count }, () => new WasmMemory(RESERVED_BYTES));
    const threads = await KernelThreads.create(
      memories.map(({ memory }) => memory),
      options,
    );
    return memories.map((memory, bank) => new WasmBackend(bank, memory, threads));
  }

  get build(): "simd" | "relaxed" {
    return this.#threads.build;
  }

  get threads(): number {
    return this.#threads.count;
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
        return last("q") % 8 === 0;
      default:
        return true;
    }
  }

  /** Makes room for the experts of weights that stay in their files. */
  openExpertCache(bytes: number): void {
    this.#experts = new ExpertCache(this.#memory, bytes);
  }

  /** A buffer for a weight of matmul_experts that stays in its file. Needs an expert cache. */
  page(weight: PagedWeight): BackendBuffer {
    this.#check();
    if (!this.#experts) throw new BackendError("wasm: there is no cache for experts");
    return this.#experts.page(weight);
  }

  /** Undefined without an expert cache. */
  get expertStats(): ExpertStats | undefined {
    return this.#experts?.stats;
  }

  alloc(bytes: number): BackendBuffer {
    this.#check();
    return new WasmBuffer(this.#memory.alloc(bytes), bytes);
  }

  free(buffer: BackendBuffer): void {
    if (!this.#closed && !(buffer instanceof PagedBuffer)) this.#memory.free(address(buffer));
  }

  write(buffer: BackendBuffer, offset: number, bytes: Uint8Array): void {
    this.view(buffer, offset, bytes.length).set(bytes);
  }

  view(buffer: BackendBuffer, offset: number, bytes: number): Uint8Array {
    this.#check();
    if (offset < 0 || offset + bytes > buffer.bytes) {
      throw new BackendError(`wasm: ${bytes} bytes at ${offset} do not fit a buffer of ${buffer.bytes}`);
    }
    const begin = address(buffer) + offset;
    return this.#memory.u8.subarray(begin, begin + bytes);
  }

  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    this.#check();
    const begin = address(buffer) + offset;
    const copy = new Uint8Array(bytes); // not slice(): that would give a SharedArrayBuffer, which TextDecoder and others refuse
    copy.set(this.#memory.u8.subarray(begin, begin + bytes));
    return copy;
  }

  async prepare(split: Split): Promise<Plan> {
    await this.#threads.ready();
    this.#check();
    for (const node of split.nodes) {
      if (!this.supports(node)) throw new BackendError(`wasm: no kernel for node "${node.name}" (${node.op.name}) with these shapes`);
    }
    this.#experts?.open();
    const sizes = scratchSizes(split);
    const taken: number[] = [];
    const alloc = (bytes: number) => {
      taken.push(this.#memory.alloc(bytes));
      return taken.at(-1)!;
    };
    try {
      const activations = Object.fromEntries(Object.entries(sizes.activations).map(([kind, bytes]) => [kind, alloc(bytes)]));
      const perWorkerBytes = Math.ceil(sizes.perWorker / 64) * 64;
      const scratch = {
        activations,
        expertPlan: alloc(sizes.expertPlan),
        attentionParts: alloc(sizes.attentionParts),
        workers: alloc(perWorkerBytes * this.threads),
        perWorkerBytes,
      };
      const plan: WasmPlan = { split, scratch, programs: new Map(), broken: false, disposed: false, dispose: () => this.#release(plan) };
      return plan;
    } catch (error) {
      for (const begin of taken) this.#memory.free(begin);
      throw error;
    }
  }

  run(made: Plan, dims: Dims, recorder?: Recorder): void | Promise<void> {
    this.#check();
    const plan = made as WasmPlan;
    const program = this.#program(plan, dims);
    if (program.cuts.length === 0) this.#runPart(plan, program, [0, program.steps.length], dims, recorder);
    else return this.#experts!.inTurn(() => this.#runPaged(plan, program, dims, recorder));
  }

  /** Stops before each command whose experts must be there. */
  async #runPaged(plan: WasmPlan, program: WasmProgram, dims: Dims, recorder?: Recorder): Promise<void> {
    let done = 0;
    const runTo = (end: number) => {
      this.#check();
      if (plan.disposed) throw new DisposedError("this context was disposed while it decoded");
      this.#runPart(plan, program, [done, end], dims, recorder);
    };
    plan.broken = true; // until it is through
    for (const { step, weight, ids, count } of program.cuts) {
      runTo(step);
      done = step;
      const wanted = new Uint32Array(this.#memory.memory.buffer, ids, count);
      for await (const more of this.#experts!.groups(weight, wanted)) if (more) runTo(step + 1);
    }
    runTo(program.steps.length);
    plan.broken = false;
  }

  /** Commands `begin` to `end` of a program. */
  #runPart({ scratch }: WasmPlan, program: WasmProgram, [begin, end]: [number, number], dims: Dims, recorder?: Recorder): void {
    if (begin === end) return;
    const rows = end - begin + 1;
    const times = recorder ? this.#memory.alloc(16 * rows * this.threads) : 0;
    this.#threads.run(this.#bank, {
      ...{ program: program.address + begin * COMMAND_BYTES, count: end - begin, times },
      ...{ scratch: scratch.workers, scratchBytes: scratch.perWorkerBytes },
    });
    if (!recorder) return;
    const steps = program.steps.slice(begin, end);
    recorder.record({ backend: this.name, dims, steps, threads: this.threads, times: this.#takeTimes(times, rows) });
  }

  /** The times that a run has left, [threads, rows, 2], and frees them. All threads' runs end when thread 0 saw all of them through. */
  #takeTimes(begin: number, rows: number): Float64Array {
    const times = new Float64Array(new Float64Array(this.#memory.memory.buffer, begin, 2 * rows * this.threads));
    this.#memory.free(begin);
    const end = times[2 * rows - 1]!;
    for (let thread = 1; thread < this.threads; thread++) times[2 * rows * (thread + 1) - 1] = end;
    return times;
  }

  #release(plan: WasmPlan): void {
    const { scratch, programs } = plan;
    plan.disposed = true;
    if (this.#closed) return;
    for (const begin of [...Object.values(scratch.activations), scratch.expertPlan, scratch.attentionParts, scratch.workers])
      this.#memory.free(begin);
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
    this.#threads.run(this.#bank, { program, count: 1, scratch: 0, scratchBytes: 0, times: 0 });
    this.#memory.free(program);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#threads.close();
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
    const program = this.#encode(plan, dims);
    plan.programs.set(key, program);
    return program;
  }

  #encode({ split, scratch }: WasmPlan, dims: Dims): WasmProgram {
    const locate = (tensor: Tensor) => {
      const location = split.locations.get(tensor.storage);
      if (!location) throw new BackendError(`wasm: tensor "${tensor.name}" has no location in this split`);
      return location;
    };
    const addressOf = (tensor: Tensor) => {
      const { buffer, offset } = locate(tensor);
      return buffer instanceof PagedBuffer ? 0 : address(buffer) + offset;
    };
    const paged = (weight: Tensor) => {
      const { buffer } = locate(weight);
      return buffer instanceof PagedBuffer ? buffer : undefined;
    };
    const table = (weight: Tensor) => (paged(weight) ? this.#experts!.table : 0);
    const commands = new Lowering(split, dims, scratch, addressOf, table).commands();
    const cuts = commands.flatMap(({ kernel, nodes: [node] }, step) => {
      const weight = kernel === "matmul_experts" && paged(node!.inputs.w!);
      if (!weight) return [];
      const ids = node!.inputs.ids!;
      return [{ step, weight, ids: addressOf(ids), count: tensorBytes(ids, dims) / 4 }];
    });
    const words = encode(commands, this.threads);
    const begin = this.#memory.alloc(words.byteLength);
    this.#memory.u8.set(new Uint8Array(words.buffer), begin);
    return { address: begin, steps: commands.map(({ kernel, nodes, share }) => ({ kernel, nodes, share })), cuts };
  }

  #check(): void {
    if (this.#closed) throw new DisposedError("wasm: this backend was closed: load the model again");
  }
}

function address(buffer: BackendBuffer): number {
  if (!(buffer instanceof WasmBuffer)) throw new BackendError("wasm: this buffer belongs to another backend");
  return buffer.address;
}
