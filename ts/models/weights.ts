import { GgufError, UnsupportedFormatError, UnsupportedModelError } from "../errors.ts";
import { type Format, formatOf, formats } from "../graph/formats.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { GgufFile, GgufTensor } from "../io/gguf.ts";

/** Rows [first, first + count) of a file's tensor. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}

/** How a weight of the graph is made from a tensor of the file. */
export interface WeightSource {
  readonly tensor: GgufTensor;
  readonly format: Format;
  /** Rows of the tensor, in the order in which the weight has them; all of them when absent. */
  readonly rows?: readonly RowRange[];
  /** What has to be done to the rows: small vectors are widened to F32, conv taps transposed to tap-major. */
  readonly convert?: "f32" | "f32-transposed";
}

/** Adds the tensors of a file to a graph as weights, checking each one's shape and format, and remembers where they come from. */
export class Weights {
  readonly sources = new Map<Tensor, WeightSource>();
  readonly #graph: Graph;
  readonly #file: Pick<GgufFile, "name" | "tensors">;

  constructor(graph: Graph, file: Pick<GgufFile, "name" | "tensors">) {
    this.#graph = graph;
    this.#file = file;
  }

  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  /** A matrix (or a stack of them) in the file's own format. shape [N, K] or [X, N, K]. */
  matrix(name: string, shape: readonly number[]): Tensor {
    const { tensor, format } = this.#find(name, shape);
    return this.#add(name, format, shape, { tensor, format });
  }

  /**
   * Some rows of a matrix, as a weight of its own: a GGUF row is a whole number of blocks, so any order of rows can be had at load.
   * The ranges are made after the shape was checked, as there are as many as a key of the file says.
   */
  rows(name: string, part: string, whole: readonly number[], shape: readonly number[], rows: () => readonly RowRange[]): Tensor {
    const { tensor, format } = this.#find(name, whole);
    return this.#add(`${name}#${part}`, format, shape, { tensor, format, rows: rows() });
  }

  /** A small vector as F32: norms, biases. */
  vector(name: string, shape: readonly number[]): Tensor {
    const { tensor, format } = this.#find(name, shape);
    return this.#add(name, "F32", shape, { tensor, format, convert: "f32" });
  }

  /** A matrix [C, K] of the file as F32 [K, C]. */
  transposed(name: string, [C, K]: readonly [number, number]): Tensor {
    const { tensor, format } = this.#find(name, [C, K]);
    return this.#add(name, "F32", [K, C], { tensor, format, convert: "f32-transposed" });
  }

  #add(name: string, format: Format, shape: readonly number[], source: WeightSource): Tensor {
    const tensor = this.#graph.weight(name, format, shape);
    this.sources.set(tensor, source);
    return tensor;
  }

  #find(name: string, shape: readonly number[]): { tensor: GgufTensor; format: Format } {
    const tensor = this.#file.tensors.get(name);
    if (!tensor) {
      throw new UnsupportedModelError(
        `${this.#file.name}: tensor "${name}" [${shape.join(", ")}] is missing: the file is incomplete or of a layout not supported here`,
      );
    }
    const format = formatOf(tensor.type);
    if (!format) {
      throw new UnsupportedFormatError(
        `${this.#file.name}: tensor "${name}" has format ${tensor.typeName}, supported are ${formats.map((f) => f.name).join(", ")}: use a file in one of these`,
      );
    }
    // a vector may be written [1, n] or [n]: leading ones carry nothing
    const trim = (dims: readonly number[]) => dims.slice(dims.findIndex((dim, i) => dim !== 1 || i === dims.length - 1)).join();
    if (trim(tensor.shape) !== trim(shape)) {
      throw new GgufError(
        `${this.#file.name}: tensor "${name}" must have shape [${shape.join(", ")}] by the file's own keys, got [${tensor.shape.join(", ")}]: the file is damaged or mislabelled`,
      );
    }
    return { tensor, format: format.name };
  }
}
