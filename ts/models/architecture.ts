import type { Format } from "../graph/formats.ts";
import { Graph } from "../graph/graph.ts";
import { argmax } from "../graph/ops/index.ts";
import type { Dims, Tensor } from "../graph/tensor.ts";
import type { GgufFile } from "../io/gguf.ts";
import type { Config } from "./config.ts";
import { Weights } from "./weights.ts";

/** What a context adds to a model's numbers: sizes of its memory. */
export interface ContextShape {
  /** Cells of KV cache a sequence. */
  readonly contextLength: number;
  /** Sequences kept at once: stripes of the KV cache, rows of R and S. */
  readonly sequences: number;
  readonly cacheTypeK: Format;
  readonly cacheTypeV: Format;
  /** Tokens of the largest ubatch, and rows of logits wanted of it. */
  readonly max: Dims;
}

/** State tensors of one layer. */
export type LayerState =
  | { readonly kind: "recurrent"; readonly R: Tensor; readonly S: Tensor }
  | { readonly kind: "attention"; readonly K: Tensor; readonly V: Tensor };

/** The per-run inputs that every model of the family takes. */
export interface ModelInputs {
  /** Token ids, i32[T]. */
  readonly tokens: Tensor;
  /** Row of state and stripe of KV cache of each token's sequence, i32[T]. Tokens of one sequence are adjacent and in order. */
  readonly rows: Tensor;
  /** Cell of the KV cache that each token takes: its place in its sequence, i32[T]. */
  readonly positions: Tensor;
  /** cos and sin of each token's rope angles, f32[T, 2, P]. */
  readonly rotation: Tensor;
  /** Which tokens' logits are wanted: indices into the ubatch, i32[O]. */
  readonly outputs: Tensor;
}

/** A model's graph with the handles that the engine needs. */
export interface ModelGraph {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly inputs: ModelInputs;
  readonly layers: readonly LayerState[];
  /** f32[O, E], after the final norm, and f32[O, V]. */
  readonly hidden: Tensor;
  readonly logits: Tensor;
  /** i32[O]: the likeliest token of each row of logits. It is also written to inputs.tokens, for a run that continues by it. */
  readonly likeliest: Tensor;
  /** The residual stream: f32[T, E], the embedding and then after each layer. Kept for reading only when asked. */
  readonly residuals: readonly Tensor[];
}

/** What an architecture's file gets to build with. */
export interface Building {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly config: Config;
  readonly context: ContextShape;
  readonly inputs: ModelInputs;
}

/** An architecture: its GGUF name and how its graph is built. One file each. */
export interface Architecture {
  readonly name: string;
  build(building: Building): Omit<ModelGraph, "graph" | "weights" | "inputs" | "likeliest">;
}

/** Builds the graph of one context. Throws what Weights and the ops throw: a missing tensor, a wrong shape, an unknown format. */
export function buildModel(
  architecture: Architecture,
  file: Pick<GgufFile, "name" | "tensors">,
  config: Config,
  context: ContextShape,
): ModelGraph {
  const graph = new Graph();
  const weights = new Weights(graph, file);
  const inputs: ModelInputs = {
    tokens: graph.input("tokens", "I32", ["T"]),
    rows: graph.input("rows", "I32", ["T"]),
    positions: graph.input("positions", "I32", ["T"]),
    rotation: graph.input("rotation", "F32", ["T", 2, config.rope.dimensions / 2]),
    outputs: graph.input("outputs", "I32", ["O"]),
  };
  const built = architecture.build({ graph, weights, config, context, inputs });
  graph.output(built.hidden);
  graph.output(built.logits);
  const { ids } = argmax({ logits: built.logits, next: inputs.tokens }, {}, "likeliest"); // [O]
  graph.output(ids);
  return { graph, weights, inputs, likeliest: ids, ...built };
}
