import type { Node } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";

/** The part of a model that a node belongs to. A layer is a mixer (attention or recurrent) and what follows it (moe or ffn), norms and residual steps included. */
export type LayerKind = "embedding" | "attention" | "recurrent" | "moe" | "ffn" | "output";

/** Splits "ffn_up-7" into "ffn_up" and layer 7: the names that ts/models/blocks.ts gives. */
export function splitName(name: string): { readonly label: string; readonly layer: number | undefined } {
  const match = /^(.*)-(\d+)$/.exec(name);
  return match ? { label: match[1]!, layer: Number(match[2]) } : { label: name, layer: undefined };
}

/** Which part each node of a model's graph belongs to. */
export function layerKinds({ graph, layers }: Pick<ModelGraph, "graph" | "layers">): ReadonlyMap<Node, LayerKind> {
  const routed = new Set(graph.nodes.filter(({ op }) => op.name === "router").map(({ name }) => splitName(name).layer));
  const kindOf = (name: string): LayerKind => {
    const { label, layer } = splitName(name);
    if (layer === undefined) return label === "embedding" ? "embedding" : "output";
    if (/^(attn_post_norm|ffn|shexp|l_out)/.test(label)) return routed.has(layer) ? "moe" : "ffn";
    return layers[layer]!.kind;
  };
  return new Map(graph.nodes.map((node) => [node, kindOf(node.name)]));
}
