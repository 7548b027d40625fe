import { BackendError } from "../../errors.ts";
import { tensorBytes } from "../../graph/bytes.ts";
import { scalarsOf } from "../../graph/op.ts";
import { type Dims, elements, type Node, type Tensor } from "../../graph/tensor.ts";
import type { Placed } from "../../schedule/place.ts";
import type { Plan, Split } from "../backend.ts";
import type { Arena } from "./arena.ts";
import type { GpuDevice } from "./device.ts";
import type { Dispatch, GpuRange, LoweringContext, Rounded } from "./dispatch.ts";
import { fuse, type Unit } from "./fuse.ts";
import { type GpuMemory, gpuBuffer } from "./memory.ts";
import { type Part, partsOf } from "./merge.ts";
import type { PackedSplit } from "./pack.ts";
import type { Pipelines } from "./pipelines.ts";
import { placeUnits } from "./place.ts";
import { effectiveAccess, type Planned, Program } from "./program.ts";
import { roundedValues } from "./rounding.ts";

/** Programs kept per plan: a decoding batch of 1 … 8 sequences, a full ubatch and its last part. */
const MAX_PROGRAMS = 16;

/** A split's nodes as dispatches, for each choice of dims that has been run. */
export class GpuPlan implements Plan {
  readonly split: Split;
  readonly #device: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;
  readonly #programs = new Map<string, Program>();
  readonly #scratch = new Map<string, GPUBuffer>();
  readonly #owned: GPUBuffer[] = [];
  readonly #units: readonly Unit[];
  readonly #placed: Placed;
  readonly #parts: ReadonlyMap<Tensor, Part>;
  readonly #weights: PackedSplit["weights"];
  readonly #rounded: ReadonlyMap<Tensor, Rounded>;
  readonly #onDispose: () => void;
  readonly #arena: Arena;
  #reserved = false;

  constructor(packed: PackedSplit, device: GpuDevice, memory: GpuMemory, pipelines: Pipelines, arena: Arena, onDispose: () => void) {
    const { split } = packed;
    this.split = split;
    this.#device = device;
    this.#memory = memory;
    this.#pipelines = pipelines;
    this.#arena = arena;
    this.#onDispose = onDispose;
    const { merges, lone } = packed;
    this.#units = fuse(split, device.caps, packed);
    this.#parts = new Map(merges.flatMap(partsOf));
    this.#weights = packed.weights;
    const owned = new Set([...merges, ...lone.values()].map(({ whole }) => whole.outputs.out!));
    const elsewhere = (tensor: Tensor) => !owned.has(tensor) && (split.keep?.has(tensor) ?? true);
    this.#rounded = roundedValues(split.nodes);
    this.#placed = placeUnits(this.#units, this.#parts, elsewhere, split.max);
  }

  /** Takes the plan's memory and compiles the kernels of the smallest and the largest run. */
  async prepare(): Promise<void> {
    try {
      if (this.#placed.bytes > 0) {
        this.#arena.reserve(this.#placed.bytes);
        this.#reserved = true;
      }
      const { max } = this.split;
      const runs = [max, { T: 1, O: Math.min(1, max.O) }].map((dims) => this.#dispatches(dims)); // the largest first: it sizes the scratch
      const { limits } = this.#device.caps;
      await this.#pipelines.compile(runs.flat().map((one) => ({ spec: one.kernel, access: effectiveAccess(one, limits) })));
      await this.#memory.settle();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The program for these extents, from the cache or built now. */
  program(dims: Dims): Program {
    const key = `${dims.T},${dims.O}`;
    const known = this.#programs.get(key);
    if (known) {
      this.#programs.delete(key); // moves it to the young end
      this.#programs.set(key, known);
      return known;
    }
    const { max } = this.split;
    if (dims.T > max.T || dims.O > max.O)
      throw new BackendError(`webgpu: a run of T = ${dims.T}, O = ${dims.O} exceeds the plan's T = ${max.T}, O = ${max.O}`);
    if (this.#programs.size >= MAX_PROGRAMS) {
      const [oldest, program] = this.#programs.entries().next().value!;
      program.dispose();
      this.#programs.delete(oldest);
    }
    const program = new Program(this.#device, this.#pipelines, this.#dispatches(dims), dims);
    this.#programs.set(key, program);
    return program;
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#programs.clear();
    for (const buffer of this.#owned.splice(0)) this.#memory.free(buffer);
    this.#scratch.clear();
    if (this.#reserved) this.#arena.release();
    this.#reserved = false;
    this.#onDispose();
  }

  #dispatches(dims: Dims): readonly Planned[] {
    const context: LoweringContext = {
      caps: this.#device.caps,
      dims,
      range: (tensor) => this.#range(tensor, dims),
      scratch: (name, bytes) => this.#scratchRange(name, bytes),
      rounded: this.#rounded,
    };
    return this.#units.flatMap((unit) => planned(unit, context));
  }

  #range(tensor: Tensor, dims: Dims): GpuRange {
    const bytes = Math.ceil(tensorBytes(tensor, dims) / 4) * 4;
    const part = this.#parts.get(tensor.storage);
    const own = this.#placed.offsets.get(part?.whole ?? tensor.storage);
    const begin = part ? 4 * part.first * (elements(part.whole.shape, dims) / (part.whole.shape.at(-1) as number)) : 0; // first · rows
    if (own !== undefined) return { buffer: this.#arena.buffer, offset: own + begin, bytes };
    const packed = this.#weights.get(tensor);
    if (packed) return packed.range;
    const location = this.split.locations.get(tensor.storage);
    if (!location) throw new BackendError(`webgpu: tensor "${tensor.name}" has no location in this split`);
    return gpuBuffer(location.buffer).range(location.offset, bytes);
  }

  /** Grows where a later run wants more; the smaller one stays for the programs that have bound it. */
  #scratchRange(name: string, bytes: number): GpuRange {
    let buffer = this.#scratch.get(name);
    if (!buffer || buffer.size < bytes) {
      buffer = this.#own(bytes, `scratch: ${name}`);
      this.#scratch.set(name, buffer);
    }
    return { buffer, offset: 0, bytes: Math.ceil(bytes / 4) * 4 };
  }

  #own(bytes: number, label: string): GPUBuffer {
    const buffer = this.#memory.alloc(bytes, label);
    this.#owned.push(buffer);
    return buffer;
  }
}

function planned({ nodes, lower }: Unit, context: LoweringContext): readonly Planned[] {
  const made = nodes.flatMap((node) => Object.values(node.outputs));
  if (made.length > 0 && made.every((tensor) => elements(tensor.shape, context.dims) === 0)) return []; // no logits are wanted: O = 0
  const dispatches: readonly Dispatch[] = lower(context);
  const flops = nodes.reduce((sum, node: Node) => sum + node.op.cost(scalarsOf(node, context.dims)).flops, 0);
  const matmuls = dispatches.filter(isMatmul); // beside what rounds their activations and sorts their experts
  const main = new Set(matmuls.length > 0 ? matmuls : dispatches);
  return dispatches.map((one) => {
    const step = { kernel: one.kernel.name, nodes, share: main.has(one) ? 1 / main.size : 0 };
    return { ...one, flops: flops / dispatches.length, step };
  });
}

/** Whether a dispatch is one of matmul-kernels.ts, by the shape in its name. */
function isMatmul({ kernel }: Dispatch): boolean {
  return /matmul.* (vec|tile|matrix) /.test(kernel.name);
}
