import type { Node } from "../graph/tensor.ts";
import type { ModelGraph } from "../models/architecture.ts";

/** The part of a model that a node belongs to. A layer is a mixer (attention or recurrent) and what follows it (moe or ffn), norms and residual steps included. */
export type LayerKind = "embedding" | "attention" | "recurrent" | "moe" | "ffn" | "output";

/**
 * Splits "ffn_up-7" into "ffn_up" and layer 7: the names that ts/models/blocks.ts gives. A backend that makes one node of several joins
 * their names, as "ffn_gate-7 + ffn_up-7".
 */
export function splitName(name: string): { readonly label: string; readonly layer: number | undefined } {
  const layer = /-(\d+)$/.exec(name)?.[1];
  return { label: name.replace(/-\d+(?= \+ |$)/g, ""), layer: layer === undefined ? undefined : Number(layer) };
}

/** Tells which part of a model a node belongs to, by its name. */
export type KindOf = (node: Pick<Node, "name">) => LayerKind;

export function layerKinds({ graph, layers }: Pick<ModelGraph, "graph" | "layers">): KindOf {
  const routed = new Set(graph.nodes.filter(({ op }) => op.name === "router").map(({ name }) => splitName(name).layer));
  return ({ name }) => {
    const { label, layer } = splitName(name);
    if (layer === undefined) return label === "embedding" ? "embedding" : "output";
    if (/^(attn_post_norm|ffn|shexp|l_out)/.test(label)) return routed.has(layer) ? "moe" : "ffn";
    return layers[layer]!.kind;
  };
}
