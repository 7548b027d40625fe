import { InvalidArgumentError, ShapeError } from "../errors.ts";
import type { Format } from "./formats.ts";
import {
  type Dim,
  elements,
  type GraphLike,
  type Node,
  ownStorage,
  type Shape,
  showShape,
  type Tensor,
  type TensorKind,
} from "./tensor.ts";

/** A list of nodes in the order in which they run, and the tensors that they read and write. */
export class Graph implements GraphLike {
  readonly nodes: Node[] = [];
  /** Tensors that outlive a run or come from outside, by name. */
  readonly inputs = new Map<string, Tensor>();
  readonly weights = new Map<string, Tensor>();
  readonly states = new Map<string, Tensor>();
  /** Values that the engine reads after a run: never overwritten within it. */
  readonly outputs = new Map<string, Tensor>();

  /** Data of one run, f32 or i32: token ids, positions, rotations. */
  input(name: string, type: "F32" | "I32", shape: Shape): Tensor {
    return this.#add(this.inputs, "input", name, type, shape);
  }

  weight(name: string, type: Format, shape: Shape): Tensor {
    return this.#add(this.weights, "weight", name, type, shape);
  }

  /** Memory that lives between runs: KV cache, conv state R, delta state S. */
  state(name: string, type: Format, shape: Shape): Tensor {
    return this.#add(this.states, "state", name, type, shape);
  }

  /** Marks a value to be kept until the run's end, under its own name. */
  output(tensor: Tensor): Tensor {
    this.outputs.set(tensor.name, tensor);
    return tensor;
  }

  append(node: Omit<Node, "id">): Node {
    const numbered = { ...node, id: this.nodes.length };
    this.nodes.push(numbered);
    return numbered;
  }

  #add(into: Map<string, Tensor>, kind: TensorKind, name: string, type: Tensor["type"], shape: Shape): Tensor {
    if (into.has(name)) throw new InvalidArgumentError(`graph: ${kind} "${name}" exists already: give it another name`);
    const tensor = ownStorage({ name, kind, type, shape, graph: this });
    into.set(name, tensor);
    return tensor;
  }
}

/** The same memory under another shape of as many elements: no node, no copy. */
export function reshape(tensor: Tensor, shape: readonly Dim[]): Tensor {
  const probe = { T: 7919, O: 7907 };
  if (elements(tensor.shape, probe) !== elements(shape, probe)) {
    throw new ShapeError(`reshape: "${tensor.name}" ${showShape(tensor.shape)} has not as many elements as ${showShape(shape)}`);
  }
  return { ...tensor, shape };
}
