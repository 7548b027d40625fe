import { SplitBudgetError } from "../errors.ts";
import type { Placement, PlacementNode, PlacementProblem } from "./problem.ts";

/**
 * What has been decided up to some node, as far as it matters later: the backend of the last node, the splits so far, and for every tensor
 * still to be read where it was made and which backends hold it. `cost` is the cheapest way to get there.
 */
interface State {
  readonly backend: number;
  readonly splits: number;
  /** Of each live tensor, in the order of `live` at this node: home << MAX_BACKENDS | set of holders. */
  readonly held: readonly number[];
  readonly cost: number;
  readonly previous: State | undefined;
}

/** A set of holders fits a 32-bit word beside its home. */
const MAX_BACKENDS = 8;

/**
 * The cheapest placement with at most `maxSplits` splits, exactly: dynamic programming over the node order whose state is all that later
 * costs depend on. Few tensors are alive at once in a transformer and most nodes are pinned by their weights, so states stay few.
 * Throws SplitBudgetError, with the least budget that would do, when no placement fits.
 */
export function assign(problem: PlacementProblem, maxSplits = Number.POSITIVE_INFINITY): Placement {
  const free = solve(problem, Number.POSITIVE_INFINITY);
  if (free && free.splits <= maxSplits) return free;
  const fewest = leastSplits(problem);
  if (fewest > maxSplits || !Number.isFinite(fewest)) throw new SplitBudgetError(fewest, maxSplits);
  return solve(problem, maxSplits)!;
}

/** The fewest splits that any placement has; Infinity when some node can run nowhere. */
export function leastSplits({ nodes, backends }: PlacementProblem): number {
  let best = Array.from({ length: backends }, () => 0);
  nodes.forEach((node, i) => {
    const least = Math.min(...best);
    best = best.map((splits, b) =>
      node.cost[b] === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : i === 0 ? 1 : Math.min(splits, least + 1),
    );
  });
  return nodes.length === 0 ? 0 : Math.min(...best);
}

function solve(problem: PlacementProblem, maxSplits: number): Placement | undefined {
  const { nodes, backends } = problem;
  if (backends > MAX_BACKENDS) throw new RangeError(`assign: at most ${MAX_BACKENDS} backends, got ${backends}`);
  const lastRead = new Int32Array(problem.tensors.length).fill(-1);
  nodes.forEach((node, i) => {
    for (const tensor of node.reads) lastRead[tensor] = i;
  });
  let live: readonly number[] = [];
  let states: State[] = [{ backend: -1, splits: 0, held: [], cost: 0, previous: undefined }];
  for (let i = 0; i < nodes.length; i++) {
    const stage = makeStage(nodes[i]!, live, (tensor) => lastRead[tensor]! > i);
    const next = new Frontier(maxSplits < Number.POSITIVE_INFINITY);
    for (const state of states) {
      for (let b = 0; b < backends; b++) {
        const moved = step(problem, stage, state, b);
        if (moved && moved.splits <= maxSplits) next.add(moved);
      }
    }
    live = stage.live;
    states = next.states();
  }
  const best = states.reduce<State | undefined>(
    (a, s) => (!a || s.cost < a.cost || (s.cost === a.cost && s.splits < a.splits) ? s : a),
    undefined,
  );
  if (!best) return undefined;
  const backendOf: number[] = [];
  for (let state: State | undefined = best; state?.previous; state = state.previous) backendOf.push(state.backend);
  return { backendOf: backendOf.reverse(), cost: best.cost, splits: best.splits };
}

/** A node with the places of its tensors in the states before and after it. */
interface Stage {
  readonly node: PlacementNode;
  /** Live tensors after the node. */
  readonly live: readonly number[];
  /** Of each tensor that the node reads: its place in the state before, and its bytes' index. Inputs, which are everywhere, are left out. */
  readonly reads: readonly { readonly place: number; readonly tensor: number }[];
  /** Of each live tensor after: its place in the state before, or -1 for one that the node makes. */
  readonly from: readonly number[];
}

function makeStage(node: PlacementNode, before: readonly number[], isReadLater: (tensor: number) => boolean): Stage {
  const live = [...before.filter((tensor) => !node.makes.includes(tensor)), ...node.makes].filter(isReadLater);
  const reads = [...new Set(node.reads)].map((tensor) => ({ place: before.indexOf(tensor), tensor })).filter(({ place }) => place >= 0);
  return { node, live, reads, from: live.map((tensor) => (node.makes.includes(tensor) ? -1 : before.indexOf(tensor))) };
}

/** Runs a node on backend b after `state`; undefined where it cannot run. */
function step(problem: PlacementProblem, { node, reads, from }: Stage, state: State, b: number): State | undefined {
  if (node.cost[b] === Number.POSITIVE_INFINITY) return undefined;
  const here = 1 << b;
  let cost = state.cost + node.cost[b]!;
  if (b !== state.backend) cost += problem.switchCost(state.backend, b);
  let held = state.held;
  for (const { place, tensor } of reads) {
    const word = held[place]!;
    if (word & here) continue;
    if (held === state.held) held = [...held];
    (held as number[])[place] = word | here;
    cost += problem.moveCost(problem.tensors[tensor]!.bytes, word >> MAX_BACKENDS, b);
  }
  const made = (b << MAX_BACKENDS) | here;
  const after = from.map((place) => (place < 0 ? made : held[place]!));
  return { backend: b, splits: state.splits + (b === state.backend ? 0 : 1), held: after, cost, previous: state };
}

/** The states after a node, one for each (backend, holders, and splits where they are counted): the cheapest. */
class Frontier {
  readonly #best = new Map<string, State>();
  readonly #countSplits: boolean;

  constructor(countSplits: boolean) {
    this.#countSplits = countSplits;
  }

  add(state: State): void {
    const key = `${state.backend} ${this.#countSplits ? state.splits : ""} ${state.held.join()}`;
    const other = this.#best.get(key);
    if (!other || state.cost < other.cost || (state.cost === other.cost && state.splits < other.splits)) this.#best.set(key, state);
  }

  states(): State[] {
    return [...this.#best.values()];
  }
}
