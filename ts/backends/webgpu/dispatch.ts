import type { Dims, Node, Tensor } from "../../graph/tensor.ts";

/** A part of a GPU buffer, in bytes. */
export interface GpuRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * A compute pipeline by its text: a generated prelude of plain WGSL lines, then whole .wgsl files. Equal specs share one pipeline.
 * Every kernel has group 0 with its storage bindings in order, and may read group 1: `step: Step { T: u32, O: u32 }`.
 */
export interface KernelSpec {
  readonly name: string;
  /** Texts of .wgsl files, in order. */
  readonly files: readonly string[];
  /** `const NAME: u32 = value;`, or f32 for a value written as a string with a fraction or exponent. Static sizes go here. */
  readonly constants: Readonly<Record<string, number | string>>;
  /** `alias NAME = type;` */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly enables?: readonly ("f16" | "subgroups" | "chromium_experimental_subgroup_matrix")[];
  /** How each binding of group 0 is declared. */
  readonly access: readonly ("read" | "read_write")[];
}

/** One dispatch: what a node of the graph becomes, one or more of them. */
export interface Dispatch {
  readonly kernel: KernelSpec;
  readonly bindings: readonly GpuRange[];
  readonly workgroups: readonly [number, number, number];
}

/** What the adapter gave. */
export interface GpuCapabilities {
  readonly f16: boolean;
  readonly subgroups: boolean;
  /** Smallest and largest sub-group size; 0 where there are none. */
  readonly subgroupMin: number;
  readonly subgroupMax: number;
  /** A sub-group-matrix configuration with f16 (or i8) inputs exists: 16 x 16 x 16 f16 -> f32. */
  readonly subgroupMatrix: boolean;
  readonly dot4I8Packed: boolean;
  readonly limits: GPUSupportedLimits;
}

/** The int8 form of a value that a matmul reads: the length of its rows there, and how many elements share a scale (32 or 256). */
export interface Rounded {
  readonly K: number;
  readonly block: number;
}

/** What lowering a node may use. */
export interface LoweringContext {
  readonly caps: GpuCapabilities;
  readonly dims: Dims;
  /** Where a tensor's memory is, its size by the dims of this program. Weights of a matmul: repacked, see weights.ts. */
  range(tensor: Tensor): GpuRange;
  /** Memory of at least so many bytes that lasts for one run; the same name gives the same memory. */
  scratch(name: string, bytes: number): GpuRange;
  /** Values that a quantised matmul reads: their makers may round them to int8 on the way. */
  readonly rounded?: ReadonlyMap<Tensor, Rounded>;
}

export type LowerNode = (node: Node, context: LoweringContext) => readonly Dispatch[];
