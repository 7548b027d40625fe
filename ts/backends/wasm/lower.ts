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
      if (node.op.name === "matmul" || node.op.name === "matmul_experts") this.#matmul(node);
      else if (node.op.name === "attention") this.#attention(node);
      else this.#commands.push(this.#plain(node));
    }
    return this.#commands;
  }

  /** An op that is one kernel of the same name: its arguments are the op's tensors, letters and params, and `<tensor>Format`. */
  #plain(node: Node): Command {
    const s = scalarsOf(node, this.#dims);
    const { flops, bytes } = node.op.cost(s);
    const writes = [...Object.values(node.outputs), ...node.op.mutates.map((argument) => node.inputs[argument]!)].map(this.#range);
    const values = Object.values(node.inputs).filter(({ kind }) => kind !== "weight"); // nothing writes weights
    const reads = values.map(this.#range);
    const step = { kernel: node.op.name, nodes: [node], share: 1 };
    return {
      ...step,
      args: this.#args(node, s),
      units: node.op.units(s),
      rowwise: node.op.rowwise?.(s),
      reads,
      writes,
      work: flops + bytes,
    };
  }

  /** Few tokens over many cells: threads share each token's chunks of cells, then merge them. */
  #attention(node: Node): void {
    const s = scalarsOf(node, this.#dims);
    const whole = { ...this.#plain(node), grain: 1 }; // units are long, or have no cells and take no time
    if (!sharesCells(s)) return void this.#commands.push(whole);
    const begin = this.#scratch.attentionParts;
    const parts = { begin, end: begin + partsBytes(s) };
    const args = { ...this.#args(node, s, "attention_parts"), parts: begin };
    this.#commands.push({ ...whole, kernel: "attention_parts", args, units: partUnits(s), writes: [parts] });
    const merged = { ...this.#args(node, s, "attention_merge"), parts: begin };
    this.#commands.push({
      ...whole,
      kernel: "attention_merge",
      share: 0,
      args: merged,
      units: s.T! * s.G!,
      reads: [...whole.reads, parts],
    });
  }

  #matmul(node: Node): void {
    const s = scalarsOf(node, this.#dims);
    const { x, w } = node.inputs as { x: Tensor; w: Tensor };
    const kind = activationKind(w.type as Format);
    const rows = activationRows(node, s);
    const xq = kind === "none" ? undefined : { begin: this.#scratch.activations[kind]!, bytes: activationBytes(kind, rows, s.K!) };
    if (xq && this.#rounded.get(kind) !== x.storage) {
      const args = { out: xq.begin, x: this.#address(x), T: rows, K: s.K!, kind: activationKindId[kind] };
      const writes = [{ begin: xq.begin, end: xq.begin + xq.bytes }];
      const step = { kernel: "quantize", nodes: [node], share: 0 };
      this.#commands.push({ ...step, args, units: rows, rowwise: true, reads: [this.#range(x)], writes, work: 8 * rows * s.K! });
      this.#rounded.set(kind, x.storage);
    }
    const command = this.#plain(node);
    const reads = [...command.reads, ...(xq ? [{ begin: xq.begin, end: xq.begin + xq.bytes }] : [])];
    const args = { ...command.args, xq: xq?.begin ?? 0 };
    if (node.op.name === "matmul") this.#commands.push({ ...command, args, reads });
    else this.#experts(node, s, { ...command, args, reads });
  }

  #experts(node: Node, s: Scalars, command: Command): void {
    const ids = node.inputs.ids!;
    const plan = { begin: this.#scratch.expertPlan, end: this.#scratch.expertPlan + expertPlanBytes(s.T!, s.U!, s.X!) };
    if (this.#planned !== ids.storage) {
      const args = { plan: plan.begin, ids: this.#address(ids), T: s.T!, U: s.U!, X: s.X! };
      const step = { kernel: "expert_plan", nodes: [node], share: 0 };
      this.#commands.push({ ...step, args, units: 1, reads: [this.#range(ids)], writes: [plan], work: 0, whole: true });
      this.#planned = ids.storage;
    }
    const units = expertUnits(s.T!, s.U!, s.X!, s.N!);
    const mostGrain = matmulUnits(s.N!); // an expert: some have many more tokens than others (half of one: 15 % slower for 8 streams)
    const args = { ...command.args, plan: plan.begin, table: this.#table(node.inputs.w!) };
    this.#commands.push({ ...command, args, units, mostGrain, reads: [...command.reads, plan] });
  }

  #args(node: Node, s: Scalars, kernel = node.op.name): Record<string, number> {
    const args: Record<string, number> = {};
    const tensors: Record<string, Tensor> = { ...node.inputs, ...node.outputs };
    for (const { name } of kernels[kernel]!.args) {
      const tensor = tensors[name];
      if (tensor) args[name] = this.#address(tensor);
      else if (s[name] !== undefined) args[name] = s[name]!;
      else if (name === "format") args[name] = formatByName(node.inputs.w!.type as Format).ggmlType;
      else if (name.endsWith("Format")) args[name] = formatByName(node.inputs[name.slice(0, -6)]!.type as Format).ggmlType;
    }
    return args;
  }

  readonly #range = (tensor: Tensor): Range => {
    const begin = this.#address(tensor);
    return { begin, end: begin + tensorBytes(tensor, this.#dims) };
  };
}
