import { BackendError, DisposedError } from "../../errors.ts";
import type { Dims, Node } from "../../graph/tensor.ts";
import type { Backend, BackendBuffer, Plan, Recorder, Split, Timeline } from "../backend.ts";
import { Arena } from "./arena.ts";
import type { DeviceOptions, GpuDevice } from "./device.ts";
import { giveDevice, takeDevice } from "./device-pool.ts";
import type { GpuCapabilities } from "./dispatch.ts";
import { supported } from "./lower.ts";
import { GpuBuffer, GpuMemory, gpuBuffer } from "./memory.ts";
import { packWeights } from "./pack.ts";
import { clockStep, PassTimer, stepTimes } from "./pass-timer.ts";
import type { Pipelines } from "./pipelines.ts";
import { GpuPlan } from "./plan.ts";
import type { Program } from "./program.ts";
import { Transfer } from "./transfer.ts";

export type WebGpuOptions = DeviceOptions;

/** What the backend holds and did: for tests, `explain` and benchmarks. */
export interface WebGpuCounters {
  /** Bytes of all live buffers: weights, states, values, scratch, staging. */
  readonly usedBytes: number;
  readonly liveBuffers: number;
  readonly pipelines: number;
  /** Of the last run. */
  readonly dispatches: number;
  readonly submits: number;
}

/** Browsers and Dawn round timestamps to 0.07-0.1 ms unless told otherwise: longer than most dispatches. */
const COARSE_CLOCK_MS = 0.05;
const COARSE_CLOCK =
  "the GPU's clock goes in coarse steps, times of short dispatches mean little: start Node with --gpu-flags " +
  '"disable-dawn-features=timestamp_quantization", Chromium with --enable-webgpu-developer-features';

/** The GPU path: WGSL kernels over WebGPU, in browsers, Deno, Electron and (with the npm package `webgpu`) Node. */
export class WebGpuBackend implements Backend {
  readonly name = "webgpu";
  readonly #device: GpuDevice;
  readonly #options: WebGpuOptions;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #transfer: Transfer;
  readonly #arenas = new WeakMap<object, Arena>();
  readonly #plans = new Set<GpuPlan>();
  #last = { dispatches: 0, submits: 0 };
  /** Milliseconds from the GPU's clock to performance.now: known from the first timed run. */
  #clockOffset: number | undefined;
  #closed = false;

  private constructor(device: GpuDevice, options: WebGpuOptions) {
    this.#device = device;
    this.#options = options;
    this.#memory = new GpuMemory(device);
    this.#pipelines = device.pipelines;
    this.#transfer = new Transfer(device, this.#memory, this.#pipelines);
  }

  /** Finds an adapter and opens a device with all that it offers, or takes the one that the last backend of these options has left. Throws CapabilityError, telling what to install or to run instead. */
  static async create(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
    return new WebGpuBackend(await takeDevice(options), options);
  }

  /** The device itself, for callers that share it. */
  get device(): GPUDevice {
    return this.#device.device;
  }
  get capabilities(): GpuCapabilities {
    return this.#device.caps;
  }
  /** The adapter in words. */
  get description(): string {
    return this.#device.description;
  }
  get counters(): WebGpuCounters {
    const { usedBytes, liveBuffers } = this.#memory;
    return { usedBytes, liveBuffers, pipelines: this.#pipelines.count, ...this.#last };
  }

  supports(node: Node): boolean {
    return supported(node, this.#device.caps.limits);
  }

  alloc(bytes: number): BackendBuffer {
    this.#check();
    return new GpuBuffer(this.#memory.alloc(bytes, "tensor"), bytes);
  }

  free(buffer: BackendBuffer): void {
    if (this.#closed) return;
    for (const gpu of gpuBuffer(buffer).release()) this.#memory.free(gpu);
  }

  write(buffer: BackendBuffer, offset: number, bytes: Uint8Array): void {
    this.#check();
    if (offset < 0 || offset + bytes.length > buffer.bytes) {
      throw new BackendError(`webgpu: ${bytes.length} bytes at ${offset} do not fit a buffer of ${buffer.bytes}`);
    }
    this.#transfer.write(gpuBuffer(buffer).raw("written"), offset, bytes);
  }

  async read(buffer: BackendBuffer, offset: number, bytes: number): Promise<Uint8Array> {
    this.#check();
    if (offset < 0 || offset + bytes > buffer.bytes)
      throw new BackendError(`webgpu: ${bytes} bytes at ${offset} are not in a buffer of ${buffer.bytes}`);
    const copy = await this.#transfer.read(gpuBuffer(buffer).raw("read"), offset, bytes);
    this.#device.check(); // a kernel that failed before the copy has spoken by now
    return copy;
  }

  async prepare(split: Split): Promise<Plan> {
    this.#check();
    for (const node of split.nodes) {
      if (!this.supports(node)) throw new BackendError(`webgpu: no kernel for node "${node.name}" (${node.op.name}) with these shapes`);
    }
    const packed = await packWeights(split, this.#device, this.#memory, this.#pipelines);
    const plan = new GpuPlan(packed, this.#device, this.#memory, this.#pipelines, this.#arenaOf(split), () => this.#plans.delete(plan));
    await plan.prepare();
    this.#check();
    this.#plans.add(plan);
    return plan;
  }

  run(plan: Plan, dims: Dims, recorder?: Recorder): void {
    this.#check();
    if (!(plan instanceof GpuPlan) || !this.#plans.has(plan))
      throw new BackendError("webgpu: this plan was disposed, or belongs to another backend");
    const program = plan.program(dims);
    const timed = this.device.features.has("timestamp-query");
    if (recorder && timed && program.dispatches > 0) recorder.record(this.#runTimed(program, dims, recorder));
    else program.run();
    if (!timed) recorder?.note("this GPU adapter has no timestamp queries: of its work only the waiting for it is known");
    this.#last = { dispatches: program.dispatches, submits: program.submits };
  }

  async #runTimed(program: Program, dims: Dims, recorder: Recorder): Promise<Timeline> {
    const timer = new PassTimer(this.#device, program.dispatches);
    const submitted = performance.now();
    program.runTimed(timer);
    const passes = await timer.read();
    if (clockStep(passes) >= COARSE_CLOCK_MS) recorder.note(COARSE_CLOCK);
    this.#clockOffset ??= submitted - passes[0]!;
    return { backend: this.name, dims, steps: program.steps, threads: 1, times: stepTimes(passes, this.#clockOffset) };
  }

  /** Frees idle staging memory, which is kept for the next reads. */
  trim(): void {
    this.#transfer.release();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const plan of this.#plans) plan.dispose();
    this.#transfer.close();
    this.#memory.close();
    giveDevice(this.#device, this.#options);
  }

  #arenaOf({ group }: Split): Arena {
    const arena = (group && this.#arenas.get(group)) ?? new Arena(this.#memory);
    if (group) this.#arenas.set(group, arena);
    return arena;
  }

  #check(): void {
    if (this.#closed) throw new DisposedError("webgpu: this backend was closed: load the model again");
    this.#device.check();
  }
}
