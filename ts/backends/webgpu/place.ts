import { tensorBytes } from "../../graph/bytes.ts";
import type { Dims, Tensor } from "../../graph/tensor.ts";
import { type Life, type Placed, place } from "../../schedule/place.ts";
import type { Unit } from "./fuse.ts";
import type { Part } from "./merge.ts";

/** Storage is bound at multiples of 256 bytes by default. */
const ALIGNMENT = 256;

/**
 * Where the values between units lie in the plan's own memory. The scheduler cannot say: a fused kernel reads at its end what would be
 * dead after its first node. `elsewhere`: values that somebody outside reads stay where the scheduler has put them. A part of a merged
 * output lives in the whole.
 */
export function placeUnits(
  units: readonly Unit[],
  parts: ReadonlyMap<Tensor, Part>,
  elsewhere: (tensor: Tensor) => boolean,
  dims: Dims,
): Placed {
  const lives = new Map<Tensor, Life>();
  units.forEach(({ reads, writes }, i) => {
    for (const { storage } of writes) {
      if (!elsewhere(storage)) lives.set(storage, { tensor: storage, bytes: tensorBytes(storage, dims), first: i, last: i });
    }
    for (const { storage } of reads) {
      const life = lives.get(parts.get(storage)?.whole ?? storage);
      if (life) lives.set(life.tensor, { ...life, last: i });
    }
  });
  return place([...lives.values()], ALIGNMENT);
}
