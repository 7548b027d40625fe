import { type Dim, type Node, ownStorage, type Tensor } from "../../graph/tensor.ts";
import type { Split } from "../backend.ts";

/**
 * A shared expert of the routed ones' size and formats is one expert more that every token uses: the router appends it to a token's
 * choice with its gate as weight, and its three matmuls and its SwiGLU are part of the experts' own. A layer has five dispatches
 * fewer so. The nodes are rewritten before anything else looks at them; weights are stacked when they are packed.
 */
export interface SharedExpert {
  /** The nodes that go, and the new node in the place of some of them. */
  readonly replaced: ReadonlyMap<Node, Node | undefined>;
  /** Runs right behind its neighbour, the router's logits, instead of where it stood. */
  readonly gate: Node;
  readonly logits: Node;
  /** New weights, and the tensors that are stacked in each: X experts, then the shared one. */
  readonly stacks: ReadonlyMap<Tensor, readonly Tensor[]>;
}

/** Nodes by what they make, and by what they read. */
class Index {
  readonly #keep: ReadonlySet<Tensor>;
  readonly #makers = new Map<Tensor, Node>();
  readonly #readers = new Map<Tensor, Node[]>();

  constructor(nodes: readonly Node[], keep: ReadonlySet<Tensor>) {
    this.#keep = keep;
    for (const node of nodes) {
      for (const { storage } of Object.values(node.outputs)) this.#makers.set(storage, node);
      for (const { storage } of Object.values(node.inputs)) this.#readers.set(storage, [...(this.#readers.get(storage) ?? []), node]);
    }
  }

  /** The node of this op that makes a value which only `readers` nodes read. */
  maker(tensor: Tensor | undefined, op: string, readers = 1): Node | undefined {
    const node = tensor && this.#makers.get(tensor.storage);
    if (node?.op.name !== op || this.#keep.has(tensor!.storage)) return undefined;
    return this.#readers.get(tensor!.storage)?.length === readers ? node : undefined;
  }

  /** Readers of a weight or value. */
  readers(tensor: Tensor): number {
    return this.#readers.get(tensor.storage)?.length ?? 0;
  }
}

/** All shared experts of a split that can be seen so. */
export function findSharedExperts({ nodes, keep }: Split): readonly SharedExpert[] {
  if (!keep) return [];
  const index = new Index(nodes, keep);
  return nodes.filter(({ op }) => op.name === "add").flatMap((add) => sharedExpert(add, index) ?? []);
}

/** gate, up, SwiGLU and down of one kind of expert. */
interface Expert {
  readonly gate: Node;
  readonly up: Node;
  readonly silu: Node;
  readonly down: Node;
}

function expertOf(out: Tensor | undefined, op: string, index: Index): Expert | undefined {
  const down = index.maker(out, op);
  const silu = down && index.maker(down.inputs.x, "silu_mul");
  const gate = silu && index.maker(silu.inputs.gate, op);
  const up = silu && index.maker(silu.inputs.up, op);
  return gate && up ? { gate, up, silu, down } : undefined;
}

/** From `routed + sigmoid(gate) · shared` back to the router. */
function sharedExpert(add: Node, index: Index): SharedExpert | undefined {
  const sum = index.maker(add.inputs.x, "experts_sum");
  const gated = index.maker(add.inputs.y, "sigmoid_mul");
  if (!sum || !gated) return undefined;
  const gate = index.maker(gated.inputs.gate, "matmul");
  const shared = expertOf(gated.inputs.x, "matmul", index);
  const routed = expertOf(sum.inputs.x, "matmul_experts", index);
  const router = index.maker(sum.inputs.weights, "router");
  const logits = router && index.maker(router.inputs.logits, "matmul");
  if (!gate || !shared || !routed || !router || !logits) return undefined;
  const ids = router.outputs.ids!;
  const x = logits.inputs.x!.storage;
  const same =
    [routed.gate, routed.up, routed.down].every((node) => node.inputs.ids!.storage === ids.storage) && index.maker(ids, "router", 3);
  const oneX = [gate, shared.gate, shared.up, routed.gate, routed.up].every((node) => node.inputs.x!.storage === x);
  const fits = (["gate", "up", "down"] as const).every((part) => stackable(routed[part].inputs.w!, shared[part].inputs.w!, index));
  const flat = gated.inputs.gate!.shape.at(-1) === 1 && router.inputs.gate === undefined;
  return same && oneX && fits && flat ? rewrite(add, { sum, gated, gate, router, logits }, routed, shared) : undefined;
}

/** [X, N, K] and [N, K] of one format, for nobody else. */
function stackable(experts: Tensor, one: Tensor, index: Index): boolean {
  const weights = [experts, one].every((tensor) => tensor.kind === "weight" && tensor.storage === tensor && index.readers(tensor) === 1);
  return weights && experts.type === one.type && experts.shape.slice(1).join() === one.shape.join();
}

type Ends = Readonly<Record<"sum" | "gated" | "gate" | "router" | "logits", Node>>;

function rewrite(add: Node, { sum, gated, gate, router, logits }: Ends, routed: Expert, shared: Expert): SharedExpert {
  const [X, U] = [routed.gate.inputs.w!.shape[0] as number, router.params.U!];
  const value = (like: Tensor, shape: readonly Dim[]) => ownStorage({ ...like, shape });
  const rows = router.outputs.ids!.shape.slice(0, -1);
  const ids = value(router.outputs.ids!, [...rows, U + 1]);
  const weights = value(router.outputs.weights!, [...rows, U + 1]);
  const route: Node = { ...router, inputs: { ...router.inputs, gate: gated.inputs.gate! }, outputs: { ids, weights } };
  const stacks = new Map<Tensor, readonly Tensor[]>();
  const stack = (part: keyof Expert) => {
    const members = [routed[part].inputs.w!, shared[part].inputs.w!];
    const [experts, one] = members as [Tensor, Tensor];
    const all = ownStorage({ ...experts, name: `${experts.name} + ${one.name}`, shape: [X + 1, ...experts.shape.slice(1)] });
    stacks.set(all, members);
    return all;
  };
  const wide = (tensor: Tensor) => value(tensor, [...rows, U + 1, tensor.shape.at(-1)!]);
  const matmul = (part: "gate" | "up" | "down", x: Tensor): Node => {
    const node = routed[part];
    const letters = new Map(node.letters).set("X", [X + 1]).set("U", [U + 1]);
    if (part === "down") letters.set("B", [U + 1]);
    return { ...node, inputs: { x, w: stack(part), ids }, outputs: { out: wide(node.outputs.out!) }, letters };
  };
  const gates = matmul("gate", routed.gate.inputs.x!);
  const ups = matmul("up", routed.up.inputs.x!);
  const inner = wide(routed.silu.outputs.out!);
  const siluLetters = new Map(routed.silu.letters).set("T", [...rows, U + 1]);
  const silu: Node = {
    ...routed.silu,
    inputs: { gate: gates.outputs.out!, up: ups.outputs.out! },
    outputs: { out: inner },
    letters: siluLetters,
  };
  const downs = matmul("down", inner);
  const sumLetters = new Map(sum.letters).set("U", [U + 1]);
  const total: Node = {
    ...sum,
    id: add.id,
    name: add.name,
    inputs: { x: downs.outputs.out!, weights },
    outputs: add.outputs,
    letters: sumLetters,
  };
  const kept: [Node, Node][] = [
    [router, route],
    [routed.gate, gates],
    [routed.up, ups],
    [routed.silu, silu],
    [routed.down, downs],
    [add, total],
  ];
  const gone = [sum, gated, shared.gate, shared.up, shared.silu, shared.down];
  return { replaced: new Map<Node, Node | undefined>([...kept, ...gone.map((node) => [node, undefined] as const)]), gate, logits, stacks };
}

/** The nodes with shared experts folded in. */
export function withSharedExperts(nodes: readonly Node[], found: readonly SharedExpert[]): readonly Node[] {
  const replaced = new Map(found.flatMap((one) => [...one.replaced]));
  const behind = new Map(found.map(({ logits, gate }) => [logits, gate]));
  const moved = new Set(behind.values());
  return nodes.flatMap((node) => {
    if (moved.has(node)) return [];
    if (replaced.has(node)) return replaced.get(node) ?? [];
    const gate = behind.get(node);
    return gate ? [node, { ...gate, id: node.id }] : [node];
  });
}
