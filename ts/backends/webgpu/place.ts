import { tensorBytes } from "../../graph/bytes.ts";
import type { Dims, Tensor } from "../../graph/tensor.ts";
import { type Life, type Placed, place } from "../../schedule/place.ts";
import type { Unit } from "./fuse.ts";

/** Storage is bound at multiples of 256 bytes by default. */
const ALIGNMENT = 256;

/**
 * Where the values between units lie in the plan's own memory. The scheduler cannot say: a fused kernel reads at its end what would be
 * dead after its first node. Values that somebody outside reads (`keep`) stay where the scheduler has put them.
 */
export function placeUnits(units: readonly Unit[], keep: ReadonlySet<Tensor> | undefined, dims: Dims): Placed {
  if (!keep) return { offsets: new Map(), bytes: 0 };
  const lives = new Map<Tensor, Life>();
  units.forEach(({ reads, writes }, i) => {
    for (const { storage } of writes) {
      if (!keep.has(storage)) lives.set(storage, { tensor: storage, bytes: tensorBytes(storage, dims), first: i, last: i });
    }
    for (const { storage } of reads) {
      const life = lives.get(storage);
      if (life) lives.set(storage, { ...life, last: i });
    }
  });
  return place([...lives.values()], ALIGNMENT);
}
