import type { Graph } from "../graph/graph.ts";
import { type Dims, elements, type Tensor } from "../graph/tensor.ts";

/** Where each value of a graph lies in one buffer. */
export interface Placement {
  /** Offset in bytes of each value, by its storage tensor. */
  readonly offsets: ReadonlyMap<Tensor, number>;
  readonly totalBytes: number;
}

/** WebGPU binds storage at multiples of 256 bytes by default; it also keeps the CPU's threads off one cache line (64). */
const ALIGNMENT = 256;

interface Life {
  readonly tensor: Tensor;
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/**
 * Gives every value an offset such that two that are alive at once never overlap; the largest first, each at the lowest
 * free place. `max` are the extents that a run may have at most. Values are F32 or I32: 4 bytes an element.
 */
export function place(graph: Graph, max: Dims): Placement {
  const offsets = new Map<Tensor, number>();
  const placed: { life: Life; begin: number; end: number }[] = [];
  let totalBytes = 0;
  for (const life of lives(graph, max).sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const others = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.begin - b.begin);
    let begin = 0;
    for (const other of others) {
      if (begin + life.bytes <= other.begin) break;
      begin = Math.max(begin, other.end);
    }
    placed.push({ life, begin, end: begin + life.bytes });
    offsets.set(life.tensor, begin);
    totalBytes = Math.max(totalBytes, begin + life.bytes);
  }
  return { offsets, totalBytes };
}

/** From the node that makes a value to its last reader; to the end of the run for the graph's outputs. */
function lives(graph: Graph, max: Dims): Life[] {
  const byTensor = new Map<Tensor, Life>();
  for (const node of graph.nodes) {
    for (const { storage } of Object.values(node.outputs)) {
      const bytes = Math.ceil((4 * elements(storage.shape, max)) / ALIGNMENT) * ALIGNMENT;
      byTensor.set(storage, { tensor: storage, bytes, first: node.id, last: node.id });
    }
    for (const { storage } of Object.values(node.inputs)) {
      const life = byTensor.get(storage);
      if (life) life.last = node.id;
    }
  }
  for (const { storage } of graph.outputs.values()) byTensor.get(storage)!.last = graph.nodes.length;
  return [...byTensor.values()];
}
