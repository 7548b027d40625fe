import type { Random } from "../engine/samplers/random.ts";
import { formatByName } from "../graph/formats.ts";
import { randomBlocks } from "./blocks.ts";
import type { PlannedTensor } from "./plan.ts";

/** Of one pool: generated once and written over and over, so that a file is made as fast as it can be written. */
const POOL_BYTES = 4 * 2 ** 20;
/** The most handed out at once: an abort or a progress bar never waits for more. */
const PIECE_BYTES = 2 * 2 ** 20;

/** Random blocks of one format and scale. While the pool lasts no block is given twice; then it starts again at a random one. */
class Pool {
  readonly #blocks: Uint8Array;
  readonly #blockBytes: number;
  readonly #random: Random;
  #next = 0;

  constructor({ format, fill }: PlannedTensor, wantedBytes: number, random: Random) {
    const std = fill.kind === "weights" ? fill.std : 1;
    this.#blockBytes = formatByName(format).blockBytes;
    this.#blocks = randomBlocks(format, std, Math.min(POOL_BYTES, wantedBytes), random);
    this.#random = random;
  }

  *take(bytes: number): Generator<Uint8Array> {
    for (let left = bytes; left > 0; ) {
      if (this.#next >= this.#blocks.length) {
        // In the first half, so that pieces stay large.
        const blocks = Math.ceil(this.#blocks.length / this.#blockBytes / 2);
        this.#next = Math.floor(this.#random.next() * blocks) * this.#blockBytes;
      }
      const wholeBlocks = Math.floor(PIECE_BYTES / this.#blockBytes) * this.#blockBytes;
      const piece = this.#blocks.subarray(this.#next, this.#next + Math.min(left, wholeBlocks));
      yield piece;
      this.#next += piece.length;
      left -= piece.length;
    }
  }
}

/** The pools of a plan, each made when its first tensor is written. */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #wantedBytes = new Map<string, number>();
  readonly #random: Random;

  constructor(plan: readonly PlannedTensor[], random: Random) {
    this.#random = random;
    for (const tensor of plan) this.#wantedBytes.set(keyOf(tensor), (this.#wantedBytes.get(keyOf(tensor)) ?? 0) + tensor.bytes);
  }

  /** The bytes of a tensor of random weights, piece by piece. */
  take(tensor: PlannedTensor): Iterable<Uint8Array> {
    const key = keyOf(tensor);
    const pool = this.#pools.get(key) ?? new Pool(tensor, this.#wantedBytes.get(key)!, this.#random);
    this.#pools.set(key, pool);
    return pool.take(tensor.bytes);
  }
}

function keyOf({ format, fill }: PlannedTensor): string {
  return `${format} ${fill.kind === "weights" ? fill.std : fill.kind}`;
}
