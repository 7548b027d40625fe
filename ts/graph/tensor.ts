import type { Format } from "./formats.ts";

/**
 * Extent of an axis: a number, or one of the two that vary between runs of a plan:
 * "T" the tokens of the ubatch, "O" the rows whose logits are wanted.
 */
export type Dim = number | "T" | "O";
export type Shape = readonly Dim[];
/** The varying extents of one run. */
export interface Dims {
  readonly T: number;
  readonly O: number;
}

/**
 * input: written by the engine before each run · weight: constant · state: lives between runs (KV cache, R, S) ·
 * value: made by a node, dead after its last reader.
 */
export type TensorKind = "input" | "weight" | "state" | "value";

/** A named array, row-major and contiguous (the last axis is dense in memory). `type` is an element type or a block format. */
export interface Tensor {
  readonly name: string;
  readonly kind: TensorKind;
  readonly type: Format | "I32";
  readonly shape: Shape;
  readonly graph: GraphLike;
  /** The tensor whose memory this one is: itself, or for a reshaped view the original. */
  readonly storage: Tensor;
}

/** A tensor with memory of its own. */
export function ownStorage(fields: Omit<Tensor, "storage">): Tensor {
  const tensor: Omit<Tensor, "storage"> & { storage?: Tensor } = { ...fields };
  tensor.storage = tensor as Tensor;
  return tensor as Tensor;
}

/** What a tensor knows of its graph: how to append a node. See graph.ts. */
export interface GraphLike {
  append(node: Omit<Node, "id">): Node;
}

/** One application of an op. */
export interface Node {
  readonly id: number;
  readonly name: string;
  readonly op: OpLike;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, number>>;
  /** The extents that each dimension letter of the op stands for; their product is its value. */
  readonly letters: ReadonlyMap<string, readonly Dim[]>;
}

/** The part of an op declaration that the graph, the scheduler and the backends read. See op.ts. */
export interface OpLike {
  readonly name: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly mutates: readonly string[];
  readonly units: (scalars: Scalars) => number;
  readonly rowwise?: (scalars: Scalars) => boolean;
  readonly cost: (scalars: Scalars) => Cost;
  readonly check: ((scalars: Scalars) => string | undefined) | undefined;
  readonly reference: (args: never, scalars: Scalars) => void;
}

/** Dimension letters and params of a node, as numbers. */
export type Scalars = Readonly<Record<string, number>>;
/** Floating-point operations, and bytes moved to and from memory. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

/** The number of an axis in a run with these dims. */
export const extent = (dim: Dim, dims: Dims): number => (typeof dim === "number" ? dim : dims[dim]);

/** Number of elements in a run with these dims. */
export function elements(shape: Shape, dims: Dims): number {
  return shape.reduce<number>((product, dim) => product * extent(dim, dims), 1);
}

export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;
