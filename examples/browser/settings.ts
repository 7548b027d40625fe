import type { ContextOptions, PlacementOptions, SamplingParams } from "tandem-llm";

/** Where a model's parts go, and how long a chat may be. Counts of layers. */
export interface Placement {
  readonly gpuLayers: number;
  readonly cpuExperts: number;
  readonly maxSplits: number | undefined;
  readonly contextLength: number;
  readonly threads: number | undefined;
}

export const DEFAULT_PLACEMENT: Placement = {
  gpuLayers: 0,
  cpuExperts: 0,
  maxSplits: undefined,
  contextLength: 4096,
  threads: undefined,
};

/** What is left undefined comes from the model's file. */
export interface Sampling
  extends Pick<SamplingParams, "temperature" | "top_k" | "top_p" | "min_p" | "repetition_penalty" | "presence_penalty" | "seed"> {
  readonly system: string;
  readonly maxTokens: number | undefined;
}

export const DEFAULT_SAMPLING: Sampling = { system: "", maxTokens: undefined };

export function placementOptions({ gpuLayers, cpuExperts, maxSplits }: Placement): PlacementOptions {
  return { gpuLayers, cpuExperts, maxSplits };
}

/** The context that the chat will have. */
export function contextOptions({ contextLength }: Placement): ContextOptions {
  return { contextLength };
}
