import type { ExpertStats } from "../backends/wasm/expert-cache.ts";
import type { WasmBackend } from "../backends/wasm/wasm.ts";
import { InvalidArgumentError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import type { Tensor } from "../graph/tensor.ts";
import { readInto } from "../io/source.ts";
import type { ModelGraph } from "../models/architecture.ts";
import type { WeightSource } from "../models/weights.ts";
import type { Pins } from "../schedule/schedule.ts";
import type { PageWeight } from "./machine.ts";
import { EXPERTS, TARGET } from "./placement.ts";

const weightBytes = (weight: Tensor) => tensorBytes(weight, { T: 1, O: 1 });

/** Experts that stay in the file, with `cacheBytes` of memory for those used last: for models larger than memory. */
export class ExpertPaging {
  readonly #cacheBytes: number;
  readonly #pagedBytes: number;
  readonly #sources: ModelGraph["weights"]["sources"];
  readonly #paged: ReadonlySet<string>;

  private constructor(cacheBytes: number, paged: readonly Tensor[], sources: ModelGraph["weights"]["sources"]) {
    this.#cacheBytes = cacheBytes;
    this.#paged = new Set(paged.map(({ name }) => name));
    this.#pagedBytes = paged.reduce((sum, weight) => sum + weightBytes(weight), 0);
    this.#sources = sources;
  }

  /**
   * The paging of the experts that `pins` puts on the CPU; undefined where all of them fit the cache, or none are there.
   * Throws InvalidArgumentError for a size that is none.
   */
  static plan({ weights }: ModelGraph, pins: Pins, cacheBytes: number | undefined): ExpertPaging | undefined {
    if (cacheBytes === undefined) return undefined;
    if (!(Number.isSafeInteger(cacheBytes) && cacheBytes > 0))
      throw new InvalidArgumentError(`expertCache must be a whole number of bytes > 0, got ${cacheBytes}`);
    const paged = [...weights.sources.keys()].filter((weight) => EXPERTS.test(weight.name) && pins(weight).includes(TARGET.cpu));
    const paging = new ExpertPaging(cacheBytes, paged, weights.sources);
    return paging.#pagedBytes <= cacheBytes ? undefined : paging;
  }

  /** What a tensor takes in memory: a paged weight its share of the cache. */
  readonly bytesOf = (tensor: Tensor): number => {
    const bytes = weightBytes(tensor);
    return this.#paged.has(tensor.name) ? (bytes / this.#pagedBytes) * this.#cacheBytes : bytes;
  };

  /** Gives each bank its part of the cache. `bankOf` as planned. */
  open(banks: readonly WasmBackend[], bankOf: (tensor: Tensor) => number): PageWeight {
    const shares = banks.map(() => 0);
    for (const weight of this.#sources.keys()) if (this.#paged.has(weight.name)) shares[bankOf(weight)]! += this.bytesOf(weight);
    banks.forEach((bank, i) => {
      if (shares[i]! > 0) bank.openExpertCache(Math.round(shares[i]!));
    });
    return (weight, source) => (this.#paged.has(weight.name) ? banks[bankOf(weight)]!.page(pagedWeight(weight, source)) : undefined);
  }
}

/** A weight [X, N, K] in its file. Rows taken from a fused tensor are as evenly spaced as whole experts are. */
function pagedWeight(weight: Tensor, { tensor, rows }: WeightSource) {
  const experts = weight.shape[0] as number;
  const expertBytes = weightBytes(weight) / experts;
  const bytesPerRow = expertBytes / (weight.shape[1] as number);
  const layer = Number(/^blk\.(\d+)\./.exec(weight.name)![1]);
  const read = (expert: number, target: Uint8Array) =>
    readInto(tensor.source, tensor.offset + (rows ? rows[expert]!.first * bytesPerRow : expert * expertBytes), target);
  return { layer, experts, expertBytes, read };
}

/** The caches of all banks together; undefined where nothing is paged. */
export function sumStats(banks: readonly Pick<WasmBackend, "expertStats">[]): ExpertStats | undefined {
  const all = banks.flatMap(({ expertStats }) => expertStats ?? []);
  if (all.length === 0) return undefined;
  const sum = (name: keyof ExpertStats) => all.reduce((total, stats) => total + stats[name], 0);
  return {
    ...{ hits: sum("hits"), misses: sum("misses"), readBytes: sum("readBytes"), readMs: sum("readMs") },
    ...{ slots: sum("slots"), experts: sum("experts") },
  };
}
