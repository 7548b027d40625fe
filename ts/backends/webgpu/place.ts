import { tensorBytes } from "../../graph/bytes.ts";
import type { Dims, Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";
import type { Unit } from "./fuse.ts";

/** Where the values between fused nodes lie in the plan's own memory. */
export interface Placed {
  readonly offsets: ReadonlyMap<Tensor, number>;
  readonly bytes: number;
}

/** Storage is bound at multiples of 256 bytes by default. */
const ALIGNMENT = 256;

interface Life {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/**
 * A fused kernel reads at its end what the scheduler thought dead at its beginning, so the scheduler's offsets do not hold for it:
 * every value that nobody outside reads gets a new one, by its life in units. The largest first, each at the lowest free place.
 */
export function placeUnits(units: readonly Unit[], { keep }: Split, dims: Dims): Placed {
  const offsets = new Map<Tensor, number>();
  if (!keep) return { offsets, bytes: 0 };
  const placed: { life: Life; begin: number; end: number }[] = [];
  let bytes = 0;
  for (const life of lives(units, keep, dims).sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const others = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.begin - b.begin);
    let begin = 0;
    for (const other of others) {
      if (begin + life.bytes <= other.begin) break;
      begin = Math.max(begin, other.end);
    }
    placed.push({ life, begin, end: begin + life.bytes });
    offsets.set(life.tensor, begin);
    bytes = Math.max(bytes, begin + life.bytes);
  }
  return { offsets, bytes };
}

/** From the unit that writes a value to the last that reads it. */
function lives(units: readonly Unit[], keep: ReadonlySet<Tensor>, dims: Dims): Life[] {
  const byTensor = new Map<Tensor, Life>();
  units.forEach(({ reads, writes }, i) => {
    for (const { storage } of writes) {
      if (keep.has(storage)) continue;
      const bytes = Math.ceil(tensorBytes(storage, dims) / ALIGNMENT) * ALIGNMENT;
      byTensor.set(storage, { tensor: storage, bytes, first: i, last: i });
    }
    for (const { storage } of reads) {
      const life = byTensor.get(storage);
      if (life) life.last = i;
    }
  });
  return [...byTensor.values()];
}
