import type { CellSpan } from "../memory/memory.ts";

/** What a sequence remembers after `length` tokens. Its bytes belong to the cache: read, never write. */
export interface Checkpoint {
  readonly length: number;
  /** R and S of each recurrent layer. */
  readonly state: readonly Uint8Array[];
  /** After the last of the tokens, f32[V]: where a prompt ended. */
  readonly logits?: Float32Array;
}

/** A checkpoint with the KV cells of all its tokens. */
export interface FoundCheckpoint extends Checkpoint {
  readonly spans: readonly CellSpan[];
}

/** Some tokens in a row and their KV cells. The way from the root to a node spells a prefix. */
interface Node {
  parent: Node | undefined;
  tokens: Int32Array;
  span: CellSpan;
  /** By their first token. */
  readonly children: Map<number, Node>;
  checkpoint: Checkpoint | undefined;
}

/**
 * Checkpoints of sequences in a radix tree over their tokens. Recurrent state cannot be cut back, so each checkpoint has its own; KV cells
 * are kept once a token, however many checkpoints and chats lie beyond. Where the bytes exceed the budget, the checkpoint that was not
 * used for longest goes, and with it the cells that lead to no other.
 */
export class PrefixCache {
  /** Bytes that may be kept. */
  readonly budget: number;
  readonly #root = newNode(undefined, new Int32Array(), { from: 0, parts: [] });
  /** Nodes with a checkpoint, the one that was not used for longest first. */
  readonly #used = new Set<Node>();
  #bytes = 0;

  constructor(budget: number) {
    this.budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Checkpoints kept. */
  get size(): number {
    return this.#used.size;
  }

  /** The longest checkpoint that is a prefix of the first `limit` tokens. */
  find(tokens: Int32Array, limit = tokens.length): FoundCheckpoint | undefined {
    const { path } = this.#walk(tokens.subarray(0, limit));
    const depth = path.findLastIndex((node) => node.checkpoint);
    if (depth < 0) return undefined;
    this.#touch(path[depth]!);
    return { ...path[depth]!.checkpoint!, spans: path.slice(1, depth + 1).map((node) => node.span) };
  }

  /** How many of the tokens have their KV cells here, and whether there is a checkpoint after the last. */
  covers(tokens: Int32Array): { readonly cells: number; readonly checkpoint: boolean } {
    const { path, length } = this.#walk(tokens);
    return { cells: length, checkpoint: path.at(-1)!.checkpoint?.length === tokens.length };
  }

  /** Keeps a checkpoint after `tokens`; `cells` are those that `covers` did not have. Whether it found room in the budget is told. */
  add(tokens: Int32Array, checkpoint: Omit<Checkpoint, "length">, cells: CellSpan): boolean {
    const node = this.#nodeAt(tokens, cells);
    if (!node) return false;
    if (node.checkpoint) this.#bytes -= checkpointBytes(node.checkpoint);
    node.checkpoint = { ...checkpoint, length: tokens.length };
    this.#bytes += checkpointBytes(node.checkpoint);
    this.#touch(node);
    while (this.#bytes > this.budget && this.#used.size > 0) this.#drop(this.#used.values().next().value!);
    return node.checkpoint !== undefined;
  }

  /** Nodes, the root first, whose tokens are all there, and how many tokens are, in part of a last one too. */
  #walk(tokens: Int32Array): { path: Node[]; length: number; partial?: Node } {
    const path = [this.#root];
    for (let length = 0; ; ) {
      const child = path.at(-1)!.children.get(tokens[length]!);
      if (!child) return { path, length };
      const common = commonLength(child.tokens, tokens.subarray(length));
      length += common;
      if (common < child.tokens.length) return { path, length, partial: child };
      path.push(child);
    }
  }

  /** The node after these tokens, made where there is none. Undefined where the cells leave a gap: some were dropped meanwhile. */
  #nodeAt(tokens: Int32Array, cells: CellSpan): Node | undefined {
    const { path, length, partial } = this.#walk(tokens);
    if (cells.from > length && length < tokens.length) return undefined;
    const branch = partial ? this.#split(partial, length - partial.span.from) : path.at(-1)!;
    if (length === tokens.length) return branch;
    const span = length === cells.from ? cells : cut(cells, length - cells.from, tokens.length - cells.from)[1];
    const leaf = newNode(branch, tokens.slice(length), span);
    branch.children.set(leaf.tokens[0]!, leaf);
    this.#bytes += nodeBytes(leaf);
    return leaf;
  }

  /** Gives the first `count` tokens of a node to a new one before it. */
  #split(node: Node, count: number): Node {
    const [head, tail] = cut(node.span, count, node.tokens.length);
    const before = newNode(node.parent, node.tokens.slice(0, count), head);
    node.parent!.children.set(before.tokens[0]!, before);
    node.parent = before;
    node.tokens = node.tokens.slice(count);
    node.span = tail;
    before.children.set(node.tokens[0]!, node);
    return before;
  }

  #touch(node: Node): void {
    this.#used.delete(node);
    this.#used.add(node);
  }

  #drop(node: Node): void {
    this.#used.delete(node);
    this.#bytes -= checkpointBytes(node.checkpoint!);
    node.checkpoint = undefined;
    for (let leaf = node; leaf.parent && !leaf.checkpoint && leaf.children.size === 0; leaf = leaf.parent) {
      leaf.parent.children.delete(leaf.tokens[0]!);
      this.#bytes -= nodeBytes(leaf);
    }
  }
}

const newNode = (parent: Node | undefined, tokens: Int32Array, span: CellSpan): Node => {
  return { parent, tokens, span, children: new Map(), checkpoint: undefined };
};

/** Cuts the cells of `total` tokens before the one at `count`; copies, so that either part can be given back alone. */
function cut({ from, parts }: CellSpan, count: number, total: number): [CellSpan, CellSpan] {
  const place = (part: Uint8Array) => (part.length / total) * count;
  const head = { from, parts: parts.map((part) => part.slice(0, place(part))) };
  return [head, { from: from + count, parts: parts.map((part) => part.slice(place(part))) }];
}

const sumBytes = (parts: readonly Uint8Array[]) => parts.reduce((sum, part) => sum + part.length, 0);
const nodeBytes = ({ tokens, span }: Node) => tokens.byteLength + sumBytes(span.parts);
const checkpointBytes = ({ state, logits }: Checkpoint) => sumBytes(state) + (logits?.byteLength ?? 0);

/** How many tokens two lists have in common at their start. */
export function commonLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
