import type { Backend, BackendBuffer, Location, Split } from "../../ts/backends/backend.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import type { Format } from "../../ts/graph/formats.ts";
import type { Graph } from "../../ts/graph/graph.ts";
import type { Dims, Node, Tensor } from "../../ts/graph/tensor.ts";
import { random, randomWeights } from "../conformance/weights.ts";

/** Memory of a graph on a backend, its weights and inputs filled. */
export class Held {
  readonly locations = new Map<Tensor, Location>();
  readonly #backend: Backend;
  readonly #max: Dims;
  readonly #owned: BackendBuffer[] = [];

  constructor(on: Backend, graph: Graph, max: Dims) {
    this.#backend = on;
    this.#max = max;
    const next = random(3);
    for (const weight of graph.weights.values())
      this.#add(
        weight,
        randomWeights(
          weight.type as Format,
          weight.shape.reduce<number>((a, b) => a * (b as number), 1),
          next,
        ),
      );
    for (const input of graph.inputs.values()) {
      const count = tensorBytes(input, max) / 4;
      const exact = (_: unknown, i: number) => (i % 32 ? Math.floor(next() * 255) - 127 : 127); // nothing is lost in 8 bits
      const values =
        input.type === "I32" ? Int32Array.from({ length: count }, () => next() * 4) : Float32Array.from({ length: count }, exact);
      this.#add(input, new Uint8Array(values.buffer));
    }
    for (const node of graph.nodes) for (const out of Object.values(node.outputs)) this.#add(out);
  }

  async run(nodes: readonly Node[], keep: ReadonlySet<Tensor> | undefined, dims: Dims): Promise<void> {
    const split: Split = { nodes, locations: this.locations, max: this.#max, ...(keep ? { keep } : {}) };
    const plan = await this.#backend.prepare(split);
    this.#backend.run(plan, dims);
    plan.dispose();
  }

  async read(tensor: Tensor, dims: Dims): Promise<Float32Array> {
    const { buffer, offset } = this.locations.get(tensor)!;
    return new Float32Array((await this.#backend.read(buffer, offset, tensorBytes(tensor, dims))).buffer);
  }

  free(): void {
    for (const buffer of this.#owned) this.#backend.free(buffer);
  }

  #add(tensor: Tensor, bytes?: Uint8Array): void {
    const buffer = this.#backend.alloc(tensorBytes(tensor, this.#max));
    if (bytes) this.#backend.write(buffer, 0, bytes);
    this.locations.set(tensor, { buffer, offset: 0 });
    this.#owned.push(buffer);
  }
}

/** The largest difference, in units of the root mean square. */
export function worst(got: Float32Array, want: Float32Array): number {
  const rms = Math.sqrt(want.reduce((sum, value) => sum + value * value, 0) / want.length);
  return Math.max(...want.map((value, i) => Math.abs(got[i]! - value))) / rms;
}
