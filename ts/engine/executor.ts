import type { Backend, BackendBuffer, Location, Plan, Split } from "../backends/backend.ts";
import { BackendError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Dims, Tensor } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";
import { place } from "../schedule/place.ts";
import type { WeightBuffers } from "./upload.ts";

/** Bytes of a context, by what they are for. */
export interface ContextBytes {
  readonly kvCache: number;
  /** R and S of all sequences. */
  readonly recurrentState: number;
  /** Inputs and the values between nodes. */
  readonly compute: number;
}

/** What a context of this graph takes, before any of it is allocated. */
export function contextBytes(model: ModelGraph, max: Dims): ContextBytes {
  const sum = (tensors: readonly Tensor[]) => tensors.reduce((total, tensor) => total + tensorBytes(tensor, max), 0);
  const attention = model.layers.flatMap((layer) => (layer.kind === "attention" ? [layer.K, layer.V] : []));
  const recurrent = model.layers.flatMap((layer) => (layer.kind === "recurrent" ? [layer.R, layer.S] : []));
  return { kvCache: sum(attention), recurrentState: sum(recurrent), compute: sum([...model.graph.inputs.values()]) + place(model.graph, max).totalBytes };
}

/** A graph with memory for everything that it touches, ready to run. */
export class Executor {
  readonly model: ModelGraph;
  readonly max: Dims;
  readonly #backend: Backend;
  readonly #locations: Map<Tensor, Location>;
  readonly #owned: readonly BackendBuffer[];
  readonly #plan: Plan;

  private constructor(model: ModelGraph, max: Dims, backend: Backend, locations: Map<Tensor, Location>, owned: readonly BackendBuffer[], plan: Plan) {
    this.model = model;
    this.max = max;
    this.#backend = backend;
    this.#locations = locations;
    this.#owned = owned;
    this.#plan = plan;
  }

  /** Allocates states, inputs and values, and prepares the plan. Frees all of it again when it fails. */
  static async create(model: ModelGraph, max: Dims, backend: Backend, weights: WeightBuffers): Promise<Executor> {
    const { graph } = model;
    const owned: BackendBuffer[] = [];
    const locations = new Map<Tensor, Location>();
    const own = (bytes: number) => {
      owned.push(backend.alloc(bytes));
      return owned.at(-1)!;
    };
    try {
      for (const [name, tensor] of graph.weights) locations.set(tensor, { buffer: weights.get(name)!, offset: 0 });
      for (const tensor of [...graph.states.values(), ...graph.inputs.values()]) locations.set(tensor, { buffer: own(tensorBytes(tensor, max)), offset: 0 });
      const placement = place(graph, max);
      const arena = own(placement.totalBytes);
      for (const [tensor, offset] of placement.offsets) locations.set(tensor, { buffer: arena, offset });
      const split: Split = { nodes: graph.nodes, locations, max };
      return new Executor(model, max, backend, locations, owned, await backend.prepare(split));
    } catch (error) {
      for (const buffer of owned) backend.free(buffer);
      throw error;
    }
  }

  write(tensor: Tensor, data: Float32Array | Int32Array | Uint8Array, offset = 0): void {
    const location = this.#locate(tensor);
    this.#backend.write(location.buffer, location.offset + offset, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  run(dims: Dims): void {
    this.#backend.run(this.#plan, dims);
  }

  async read(tensor: Tensor, offset: number, bytes: number): Promise<Uint8Array> {
    const location = this.#locate(tensor);
    return this.#backend.read(location.buffer, location.offset + offset, bytes);
  }

  dispose(): void {
    this.#plan.dispose();
    for (const buffer of this.#owned) this.#backend.free(buffer);
  }

  #locate(tensor: Tensor): Location {
    const location = this.#locations.get(tensor.storage);
    if (!location) throw new BackendError(`tensor "${tensor.name}" has no memory in this graph`);
    return location;
  }
}
