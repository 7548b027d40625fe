import { kernels } from "../../../build/kernels.js";
import { tensorBytes } from "../../graph/bytes.ts";
import { type Format, formatByName } from "../../graph/formats.ts";
import { scalarsOf } from "../../graph/op.ts";
import type { Dims, Node, Scalars, Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import {
  type ActivationKind,
  activationBytes,
  activationKind,
  activationKindId,
  expertPlanBytes,
  expertUnits,
  matmulScratchBytes,
  matmulUnits,
} from "./activation.ts";
import { attentionScratchBytes, partsBytes, partUnits, sharesCells } from "./attention.ts";
import type { Command, Range } from "./program.ts";

/** Of scratch that a kernel is given, by its argument. */
type ScratchArgs = Readonly<Record<string, Range>>;
type Activations = Readonly<Partial<Record<ActivationKind, number>>>;

/** Memory that a plan needs besides its tensors. */
export interface ScratchSizes {
  /** Activations rounded to 8 bits, for the matmul that runs next; by kind. */
  readonly activations: Activations;
  readonly expertPlan: number;
  /** What attention over chunks of cells leaves, to be merged. */
  readonly attentionParts: number;
  /** Of each worker. */
  readonly perWorker: number;
}

/** Addresses of that memory. */
export interface Scratch {
  readonly activations: Activations;
  readonly expertPlan: number;
  readonly attentionParts: number;
}

/** Sizes for every run of the split. */
export function scratchSizes(split: Split): ScratchSizes {
  const activations: Partial<Record<ActivationKind, number>> = {};
  let expertPlan = 0;
  let attentionParts = 0;
  let perWorker = 0;
  for (const node of split.nodes) {
    const s = scalarsOf(node, split.max);
    perWorker = Math.max(perWorker, workerScratchBytes(node, s));
    if (node.op.name === "attention") attentionParts = Math.max(attentionParts, partsBytes(s));
    const w = node.inputs.w;
    if (!w || node.op.name === "get_rows") continue;
    const kind = activationKind(w.type as Format);
    if (kind !== "none") activations[kind] = Math.max(activations[kind] ?? 0, activationBytes(kind, activationRows(node, s), s.K!));
    if (node.op.name === "matmul_experts") expertPlan = Math.max(expertPlan, expertPlanBytes(s.T!, s.U!, s.X!));
  }
  return { activations, expertPlan, attentionParts, perWorker };
}

function workerScratchBytes(node: Node, s: Scalars): number {
  switch (node.op.name) {
    case "matmul":
    case "matmul_experts":
      return matmulScratchBytes(s.K!);
    case "get_rows":
      return matmulScratchBytes(s.D!);
    case "attention":
      return attentionScratchBytes(s);
    case "gated_delta":
      return 8 * (16 + 2 * 4 * s.Dk!); // of eight tokens: gates, q and k, normalised
    case "top_k":
      return 8 * s.k!;
    default:
      return 0;
  }
}

/** Rows of x that a matmul reads. */
const activationRows = (node: Node, s: Scalars) => (node.op.name === "matmul_experts" ? s.T! * s.B! : s.T!);

/** Turns the nodes of a split into kernel calls, for one choice of dims. */
export class Lowering {
  readonly #split: Split;
  readonly #dims: Dims;
  readonly #scratch: Scratch;
  readonly #address: (tensor: Tensor) => number;
  /** Where a weight's experts are told, for one that is paged. */
  readonly #table: (weight: Tensor) => number;
  readonly #commands: Command[] = [];
  /** Whose rounded activations are in the scratch now, by kind: q, k and v project the same x, it is rounded once. */
  readonly #rounded = new Map<ActivationKind, Tensor>();
  #planned: Tensor | undefined;

  /** `table` gives the address of the experts' table of a weight that is paged, 0 for others. */
  constructor(split: Split, dims: Dims, scratch: Scratch, address: (tensor: Tensor) => number, table: (weight: Tensor) => number) {
    this.#split = split;
    this.#dims = dims;
    this.#scratch = scratch;
    this.#address = address;
    this.#table = table;
  }

  commands(): readonly Command[] {
    for (const node of this.#split.nodes) {
      const s = scalarsOf(node, this.#dims);
      if (node.op.name === "matmul" || node.op.name === "matmul_experts") this.#matmul(node, s);
      else if (node.op.name === "attention") this.#attention(node, s);
      else this.#commands.push(this.#plain(node, s));
    }
    return this.#commands;
  }

  /** An op that is one kernel of the same name, which reads `scratch` too. */
  #plain(node: Node, s: Scalars, scratch: ScratchArgs = {}): Command {
    const { flops, bytes } = node.op.cost(s);
    const reads = Object.values(scratch);
    for (const argument in node.inputs) {
      const tensor = node.inputs[argument]!;
      if (tensor.kind !== "weight") reads.push(this.#range(tensor)); // nothing writes weights
    }
    const writes: Range[] = [];
    for (const argument in node.outputs) writes.push(this.#range(node.outputs[argument]!));
    for (const argument of node.op.mutates) writes.push(this.#range(node.inputs[argument]!));
    return {
      kernel: node.op.name,
      nodes: [node],
      share: 1,
      args: this.#args(node, s, scratch),
      units: node.op.units(s),
      rowwise: node.op.rowwise?.(s),
      reads,
      writes,
      work: flops + bytes,
    };
  }

  /** Few tokens over many cells: threads share each token's chunks of cells, then merge them. */
  #attention(node: Node, s: Scalars): void {
    const whole = { ...this.#plain(node, s), grain: 1 }; // units are long, or have no cells and take no time
    if (!sharesCells(s)) return void this.#commands.push(whole);
    const parts = rangeOf(this.#scratch.attentionParts, partsBytes(s));
    this.#commands.push({
      ...whole,
      kernel: "attention_parts",
      args: this.#args(node, s, { parts }, "attention_parts"),
      units: partUnits(s),
      writes: [parts],
    });
    this.#commands.push({
      ...whole,
      kernel: "attention_merge",
      share: 0,
      args: this.#args(node, s, { parts }, "attention_merge"),
      units: s.T! * s.G!,
      reads: [...whole.reads, parts],
    });
  }

  #matmul(node: Node, s: Scalars): void {
    const { x, w } = node.inputs as { x: Tensor; w: Tensor };
    const kind = activationKind(w.type as Format);
    const rows = activationRows(node, s);
    const xq = kind === "none" ? rangeOf(0, 0) : rangeOf(this.#scratch.activations[kind]!, activationBytes(kind, rows, s.K!));
    if (kind !== "none" && this.#rounded.get(kind) !== x.storage) {
      this.#commands.push({
        kernel: "quantize",
        nodes: [node],
        share: 0,
        args: { out: xq.begin, x: this.#address(x), T: rows, K: s.K!, kind: activationKindId[kind] },
        units: rows,
        rowwise: true,
        reads: [this.#range(x)],
        writes: [xq],
        work: 8 * rows * s.K!,
      });
      this.#rounded.set(kind, x.storage);
    }
    if (node.op.name === "matmul") this.#commands.push(this.#plain(node, s, { xq }));
    else this.#experts(node, s, xq);
  }

  #experts(node: Node, s: Scalars, xq: Range): void {
    const ids = node.inputs.ids!;
    const plan = rangeOf(this.#scratch.expertPlan, expertPlanBytes(s.T!, s.U!, s.X!));
    if (this.#planned !== ids.storage) {
      this.#commands.push({
        kernel: "expert_plan",
        nodes: [node],
        share: 0,
        args: { plan: plan.begin, ids: this.#address(ids), T: s.T!, U: s.U!, X: s.X! },
        units: 1,
        reads: [this.#range(ids)],
        writes: [plan],
        work: 0,
        whole: true,
      });
      this.#planned = ids.storage;
    }
    const units = expertUnits(s.T!, s.U!, s.X!, s.N!);
    const mostGrain = matmulUnits(s.N!); // an expert: some have many more tokens than others (half of one: 2 % slower for 8 streams)
    this.#commands.push({ ...this.#plain(node, s, { xq, plan }), units, mostGrain });
  }

  /** A kernel's arguments by name: scratch, the op's tensors, letters and params, `<tensor>Format`, the table of a paged weight's experts. */
  #args({ op, inputs, outputs }: Node, s: Scalars, scratch: ScratchArgs, kernel = op.name): Record<string, number> {
    const args: Record<string, number> = {};
    for (const { name } of kernels[kernel]!.args) {
      const tensor = inputs[name] ?? outputs[name];
      if (tensor) args[name] = this.#address(tensor);
      else if (scratch[name]) args[name] = scratch[name].begin;
      else if (s[name] !== undefined) args[name] = s[name];
      else if (name === "table") args[name] = this.#table(inputs.w!);
      else if (name === "format") args[name] = formatByName(inputs.w!.type as Format).ggmlType;
      else if (name.endsWith("Format")) args[name] = formatByName(inputs[name.slice(0, -6)]!.type as Format).ggmlType;
    }
    return args;
  }

  #range(tensor: Tensor): Range {
    return rangeOf(this.#address(tensor), tensorBytes(tensor, this.#dims));
  }
}

const rangeOf = (begin: number, bytes: number): Range => ({ begin, end: begin + bytes });
