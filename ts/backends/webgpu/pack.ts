import { BackendError } from "../../errors.ts";
import { tensorBytes } from "../../graph/bytes.ts";
import type { Format } from "../../graph/formats.ts";
import { elements, type Node, type Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import type { GpuDevice } from "./device.ts";
import type { GpuRange } from "./dispatch.ts";
import { packedIsRaw, planesOf, ROW_ALIGN, rawBytes } from "./matmul-packing.ts";
import { type GpuMemory, gpuBuffer, PackedWeights } from "./memory.ts";
import { adopt, type Merge, mergeable, packedBytesOf } from "./merge.ts";
import type { Pipelines } from "./pipelines.ts";
import { Program } from "./program.ts";
import { findSharedExperts, withSharedExperts } from "./shared-expert.ts";
import { repackDispatches } from "./weights.ts";

const FIXED = { T: 1, O: 1 };

/** A split as it will run, with its weights in the layout of their kernels. */
export interface PackedSplit {
  /** The split, shared experts folded in. */
  readonly split: Split;
  /** Merges that hold for this plan. */
  readonly merges: readonly Merge[];
  /** Nodes whose weight was merged for another plan, with nodes that this one lacks. */
  readonly lone: ReadonlyMap<Node, Merge>;
  /** Memory of weights that are in no split: merged or stacked ones. */
  readonly weights: ReadonlyMap<Tensor, PackedWeights>;
}

/** Lays the weights of a split's matmuls out for their kernels, on the GPU, once: the first plan that reads them does it for all. */
export async function packWeights(original: Split, device: GpuDevice, memory: GpuMemory, pipelines: Pipelines): Promise<PackedSplit> {
  const found = findSharedExperts(original).filter(({ stacks }) => [...stacks.values()].every((stack) => isStackable(original, stack)));
  const split = { ...original, nodes: withSharedExperts(original.nodes, found) };
  const packer = new Packer(split, new Map(found.flatMap(({ stacks }) => [...stacks])), device, memory, pipelines);
  const merges: Merge[] = [];
  const lone = new Map<Node, Merge>();
  const weights = new Map<Tensor, PackedWeights>();
  for (const merge of mergeable(split, device.caps.limits)) {
    const packed = await packer.merge(merge);
    if (!packed) continue;
    merges.push(merge);
    weights.set(merge.whole.inputs.w!, packed);
  }
  const done = new Set(merges.flatMap(({ nodes }) => nodes));
  for (const node of split.nodes) {
    const w = node.inputs.w?.storage;
    if (done.has(node) || w?.kind !== "weight") continue;
    const packed = await packer.alone(w);
    if (!packed) continue;
    if (packed.label === w.name) weights.set(w, packed);
    else if (packed.merge && node.op.name !== "get_rows") {
      lone.set(node, adopt(packed.merge, node));
      weights.set(packed.merge.whole.inputs.w!, packed);
    } else
      throw new BackendError(
        `webgpu: "${node.name}" reads "${w.name}", which lies stacked with others for another plan: load the model again`,
      );
  }
  return { split, merges, lone, weights };
}

/** Whether no plan has packed these weights otherwise. */
function isStackable({ locations }: Split, stack: readonly Tensor[]): boolean {
  const places = stack.map((tensor) => locations.get(tensor));
  if (places.some((place) => !place)) return false;
  const known = places.map((place) => gpuBuffer(place!.buffer).packed(place!.offset));
  return known.every((one) => one === known[0]) && (known[0] === undefined || known[0].merge === undefined);
}

/** Packs the weights of one split. */
class Packer {
  readonly #split: Split;
  readonly #stacks: ReadonlyMap<Tensor, readonly Tensor[]>;
  readonly #device: GpuDevice;
  readonly #memory: GpuMemory;
  readonly #pipelines: Pipelines;

  constructor(split: Split, stacks: ReadonlyMap<Tensor, readonly Tensor[]>, device: GpuDevice, memory: GpuMemory, pipelines: Pipelines) {
    this.#split = split;
    this.#stacks = stacks;
    this.#device = device;
    this.#memory = memory;
    this.#pipelines = pipelines;
  }

  /** Several as one. Undefined where another plan has packed some of them otherwise. */
  async merge(merge: Merge): Promise<PackedWeights | undefined> {
    const weights = merge.nodes.map(({ inputs }) => inputs.w!);
    const stacked = weights.some((tensor) => this.#stacks.has(tensor));
    const label = `${merge.whole.inputs.w!.name} of ${weights.map(({ name }) => name).join(" | ")}`;
    const parts = weights.map((tensor, i) => ({ tensor, width: merge.widths[i]!, first: merge.firsts[i]! }));
    const packed = await this.#packed(merge.whole.inputs.w!, label, parts, stacked ? undefined : merge);
    return packed?.label === label ? packed : undefined;
  }

  /** One weight, unless it is packed already or as good as. What is known of it, however it was packed. */
  async alone(tensor: Tensor): Promise<PackedWeights | undefined> {
    const [, K] = rowsAndLength(tensor);
    const width = tensor.shape.at(-2) as number;
    if (!this.#stacks.has(tensor) && packedIsRaw(tensor.type as Format, K)) return this.#known(tensor)[0];
    return this.#packed(tensor, tensor.name, [{ tensor, width, first: 0 }]);
  }

  /** How the members of a weight are packed now. */
  #known(tensor: Tensor): (PackedWeights | undefined)[] {
    return this.#members(tensor).map((member) => {
      const location = this.#split.locations.get(member);
      return location && gpuBuffer(location.buffer).packed(location.offset);
    });
  }

  #members(tensor: Tensor): readonly Tensor[] {
    return this.#stacks.get(tensor) ?? [tensor];
  }

  /** Packs `parts` into one weight: part i's rows (of each expert) begin at its `first`. */
  async #packed(whole: Tensor, label: string, parts: readonly Rows[], merge?: Merge): Promise<PackedWeights | undefined> {
    const members = parts.flatMap(({ tensor }) => this.#members(tensor));
    if (!members.every((tensor) => this.#split.locations.has(tensor))) return undefined; // lowering will say so, with the node
    const known = parts.flatMap(({ tensor }) => this.#known(tensor));
    if (known.some(Boolean)) return known.find(Boolean);
    const packed = new PackedWeights(this.#memory.alloc(packedBytesOf(whole), `packed ${label}`), label, merge);
    const [all, K] = rowsAndLength(whole);
    const stride = whole.shape.at(-2) as number; // rows of an expert, or of the matrix
    for (const { tensor, width, first } of parts) {
      let expert = 0;
      for (const member of this.#members(tensor)) {
        const { buffer, offset } = this.#split.locations.get(member)!;
        const bytes = tensorBytes(member, FIXED);
        const from = gpuBuffer(buffer).range(offset, Math.ceil(bytes / 4) * 4);
        const count = rowsAndLength(member)[0] / width;
        const runs = Array.from({ length: count }, (_, x) => ({ from: x * width, to: (expert + x) * stride + first, count: width }));
        this.#pack(member.type as Format, from, packed.range, all, K, count * width === all ? [{ from: 0, to: 0, count: all }] : runs);
        this.#release(gpuBuffer(buffer).pack(offset, bytes, packed));
        expert += count;
      }
    }
    await this.#memory.settle();
    return packed;
  }

  /** Runs of rows, in chunks that one binding holds, on either side. */
  #pack(format: Format, raw: GpuRange, packed: GpuRange, rows: number, K: number, runs: readonly RowRun[]): void {
    const planes = Object.values(planesOf(format, 1, K)).map((plane) => plane?.rowBytes ?? 0);
    const { maxStorageBufferBindingSize } = this.#device.caps.limits;
    const most = Math.floor(maxStorageBufferBindingSize / Math.max(rawBytes(format, 1, K), ...planes));
    const dispatches = runs.flatMap(({ from, to, count: all }) => {
      const chunk = all <= most ? all : Math.max(ROW_ALIGN, Math.floor(most / ROW_ALIGN) * ROW_ALIGN);
      return Array.from({ length: Math.ceil(all / chunk) }, (_, i) => {
        const count = Math.min(chunk, all - i * chunk);
        const first = from + i * chunk;
        const range = { buffer: raw.buffer, offset: raw.offset + rawBytes(format, first, K), bytes: rawBytes(format, count, K) };
        return repackDispatches(format, range, packed, rows, K, { first: to + i * chunk, count });
      }).flat();
    });
    const program = new Program(
      this.#device,
      this.#pipelines,
      dispatches.map((one) => ({ ...one, flops: 0 })),
      FIXED,
    );
    program.run();
    program.dispose();
  }

  /** Destroyed buffers are freed at a later submit: here, or the raw bytes of a whole model would pile up beside the packed ones. */
  #release(raw: GPUBuffer | undefined): void {
    if (!raw) return;
    this.#memory.free(raw);
    this.#device.device.queue.submit([]);
  }
}

/** A weight (or a stack of such) and where its rows go. */
interface Rows {
  readonly tensor: Tensor;
  readonly width: number;
  readonly first: number;
}

/** Rows [from, from + count) of the raw bytes, and where the first of them goes. */
interface RowRun {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** [X, N, K] and [N, K] are rows of K. */
function rowsAndLength({ shape }: Tensor): [rows: number, K: number] {
  const K = shape.at(-1) as number;
  return [elements(shape, FIXED) / K, K];
}
