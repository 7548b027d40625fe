/** Placement as a problem in numbers, free of graphs and devices: what assign.ts solves and the tests enumerate. */
export interface PlacementProblem {
  /** Backends are 0 … backends - 1. */
  readonly backends: number;
  /** In the order in which they run. */
  readonly nodes: readonly PlacementNode[];
  /** Values that nodes read and make; indices are used in `reads` and `makes`. */
  readonly tensors: readonly PlacementTensor[];
  /** Cost of changing from backend a to b between two nodes, and of starting on b (a = -1): a submit, a wake-up, a wait. */
  readonly switchCost: (a: number, b: number) => number;
  /** Cost of bringing a tensor of so many bytes from one backend to another. */
  readonly moveCost: (bytes: number, from: number, to: number) => number;
}

export interface PlacementNode {
  /** Cost on each backend; Infinity where the node cannot run: its weight lives elsewhere, or there is no kernel. */
  readonly cost: readonly number[];
  readonly reads: readonly number[];
  readonly makes: readonly number[];
}

export interface PlacementTensor {
  readonly bytes: number;
}

/** A backend for each node, with what it costs. */
export interface Placement {
  readonly backendOf: readonly number[];
  readonly cost: number;
  /** Maximal runs of nodes on one backend. */
  readonly splits: number;
}

/**
 * The cost of a placement by the definition, step by step: every node's cost, every change of backend, and every first use of a tensor
 * on a backend that does not hold it yet. A tensor moves from where it was made; tensors that no node makes (inputs) are everywhere.
 */
export function placementCost(problem: PlacementProblem, backendOf: readonly number[]): { cost: number; splits: number } {
  const held: (Set<number> | undefined)[] = problem.tensors.map(() => undefined);
  const home: number[] = [];
  let cost = 0;
  let splits = 0;
  problem.nodes.forEach((node, i) => {
    const here = backendOf[i]!;
    const before = i > 0 ? backendOf[i - 1]! : -1;
    if (here !== before) {
      splits++;
      cost += problem.switchCost(before, here);
    }
    for (const tensor of new Set(node.reads)) {
      const places = held[tensor];
      if (!places || places.has(here)) continue;
      places.add(here);
      cost += problem.moveCost(problem.tensors[tensor]!.bytes, home[tensor]!, here);
    }
    for (const tensor of node.makes) {
      held[tensor] = new Set([here]);
      home[tensor] = here;
    }
    cost += node.cost[here]!;
  });
  return { cost, splits };
}
