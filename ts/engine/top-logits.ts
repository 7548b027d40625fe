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

/** Streams that most steps have at most: their logits are read back alone, without the room for all that a ubatch could ask for. */
const FEW_ROWS = 16;

/** The way for at most `rows` rows: tokens lie behind the values of so many. */
interface Way {
  readonly rows: number;
  readonly plan: Plan;
  readonly tokensAt: number;
}

/** Finds the largest logits on the backend that has them, so that half a kilobyte is read back in place of a whole row. */
export class TopReader {
  readonly #backend: Backend;
  readonly #ways: readonly Way[];
  readonly #buffer: BackendBuffer;
  readonly #k: number;

  private constructor(backend: Backend, ways: readonly Way[], buffer: BackendBuffer, k: number) {
    this.#backend = backend;
    this.#ways = ways;
    this.#buffer = buffer;
    this.#k = k;
  }

  /** For logits [O, V] at a place in a backend's memory, `rows` of them at most. Throws OutOfMemoryError. */
  static async create(backend: Backend, logits: Location, rows: number, V: number): Promise<TopReader> {
    const k = Math.min(TOP_LOGITS, V);
    const graph = new Graph();
    const input = graph.input("logits", "F32", ["O", V]);
    const { values, ids } = topK({ logits: input }, { k }, "top");
    const tokensAt = (most: number) => Math.ceil((4 * most * k) / ALIGNMENT) * ALIGNMENT;
    const buffer = backend.alloc(tokensAt(rows) + 4 * rows * k);
    const ways: Way[] = [];
    try {
      for (const most of new Set([Math.min(FEW_ROWS, rows), rows])) {
        const locations = new Map([
          [input, logits],
          [values, { buffer, offset: 0 }],
          [ids, { buffer, offset: tokensAt(most) }],
        ]);
        const plan = await backend.prepare({ nodes: graph.nodes, locations, max: { T: 1, O: most } });
        ways.push({ rows: most, plan, tokensAt: tokensAt(most) });
      }
      return new TopReader(backend, ways, buffer, k);
    } catch (error) {
      for (const { plan } of ways) plan.dispose();
      backend.free(buffer);
      throw error;
    }
  }

  /** Of the first `rows` rows of logits, as the last run has left them. */
  async read(rows: number): Promise<TopLogits[]> {
    const k = this.#k;
    const { plan, tokensAt } = this.#ways.find((way) => rows <= way.rows)!;
    this.#backend.run(plan, { T: 1, O: rows });
    const { buffer, byteOffset } = await this.#backend.read(this.#buffer, 0, tokensAt + 4 * rows * k);
    return Array.from({ length: rows }, (_, o) => ({
      values: new Float32Array(buffer, byteOffset + 4 * o * k, k),
      tokens: new Int32Array(buffer, byteOffset + tokensAt + 4 * o * k, k),
    }));
  }

  dispose(): void {
    for (const { plan } of this.#ways) plan.dispose();
    this.#backend.free(this.#buffer);
  }
}
