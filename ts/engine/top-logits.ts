import type { Backend, BackendBuffer, Location, Plan } from "../backends/backend.ts";
import { Graph } from "../graph/graph.ts";
import { topK } from "../graph/ops/index.ts";

/** The largest logits of a row, falling, and the tokens that have them; of equals the lower token comes first. */
export interface TopLogits {
  readonly values: Float32Array;
  readonly tokens: Int32Array;
}

/** Logits of a row that are kept: samplers ask for 20 to 40. */
export const TOP_LOGITS = 64;
/** A GPU binds storage at multiples of so many bytes. */
const ALIGNMENT = 256;

/** Finds the largest logits on the backend that has them, so that half a kilobyte is read back in place of a whole row. */
export class TopReader {
  readonly #backend: Backend;
  readonly #plan: Plan;
  readonly #buffer: BackendBuffer;
  readonly #k: number;
  readonly #tokensAt: number;

  private constructor(backend: Backend, plan: Plan, buffer: BackendBuffer, k: number, tokensAt: number) {
    this.#backend = backend;
    this.#plan = plan;
    this.#buffer = buffer;
    this.#k = k;
    this.#tokensAt = tokensAt;
  }

  /** For logits [O, V] at a place in a backend's memory, `rows` of them at most. Throws OutOfMemoryError. */
  static async create(backend: Backend, logits: Location, rows: number, V: number): Promise<TopReader> {
    const k = Math.min(TOP_LOGITS, V);
    const graph = new Graph();
    const input = graph.input("logits", "F32", ["O", V]);
    const { values, ids } = topK({ logits: input }, { k }, "top");
    const tokensAt = Math.ceil((4 * rows * k) / ALIGNMENT) * ALIGNMENT;
    const buffer = backend.alloc(tokensAt + 4 * rows * k);
    const locations = new Map([
      [input, logits],
      [values, { buffer, offset: 0 }],
      [ids, { buffer, offset: tokensAt }],
    ]);
    try {
      const plan = await backend.prepare({ nodes: graph.nodes, locations, max: { T: 1, O: rows } });
      return new TopReader(backend, plan, buffer, k, tokensAt);
    } catch (error) {
      backend.free(buffer);
      throw error;
    }
  }

  /** Of the first `rows` rows of logits, as the last run has left them. */
  async read(rows: number): Promise<TopLogits[]> {
    const k = this.#k;
    this.#backend.run(this.#plan, { T: 1, O: rows });
    const { buffer, byteOffset } = await this.#backend.read(this.#buffer, 0, this.#tokensAt + 4 * rows * k);
    return Array.from({ length: rows }, (_, o) => ({
      values: new Float32Array(buffer, byteOffset + 4 * o * k, k),
      tokens: new Int32Array(buffer, byteOffset + this.#tokensAt + 4 * o * k, k),
    }));
  }

  dispose(): void {
    this.#plan.dispose();
    this.#backend.free(this.#buffer);
  }
}
