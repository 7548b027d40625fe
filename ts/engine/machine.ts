import type { Backend, BackendBuffer } from "../backends/backend.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { WeightSource } from "../models/weights.ts";
import type { Pins, Target, TargetCosts } from "../schedule/schedule.ts";

/** The backends that a model runs on, and where its weights and states live. Targets of the scheduler are the backends, in order. */
export interface Machine {
  readonly backends: readonly Backend[];
  readonly targets: readonly Target[];
  readonly pins: Pins;
  readonly maxSplits?: number;
  readonly page?: PageWeight;
}

/** A buffer for a weight that stays in its file; undefined for one that is to be loaded. */
export type PageWeight = (weight: Tensor, source: WeightSource) => BackendBuffer | undefined;

/**
 * Orders of magnitude, measured on desktop machines (bench/): they decide only where nodes without weights go, and those follow their
 * neighbours unless crossing is nearly free.
 */
const COSTS: Readonly<Record<"wasm" | "webgpu", TargetCosts>> = {
  wasm: {
    flopsPerSecond: 5e10,
    bytesPerSecond: 1.5e10,
    nodeSeconds: 2e-7,
    switchSeconds: 2e-4,
    moveSeconds: 5e-5,
    moveBytesPerSecond: 2e9,
  },
  webgpu: {
    flopsPerSecond: 5e12,
    bytesPerSecond: 3e11,
    nodeSeconds: 4e-6,
    switchSeconds: 1e-4,
    moveSeconds: 5e-6,
    moveBytesPerSecond: 5e9,
  },
};

/** How the scheduler sees a backend. */
export function targetOf(backend: Pick<Backend, "name" | "supports">): Target {
  const gpu = backend.name === "webgpu";
  return {
    name: backend.name,
    supports: (node) => backend.supports(node),
    processor: gpu ? "webgpu" : "wasm",
    costs: gpu ? COSTS.webgpu : COSTS.wasm,
    placesValues: gpu,
    alignment: gpu ? 256 : 64, // see place.ts
  };
}

/** Everything on one backend. */
export function oneBackend(backend: Backend): Machine {
  return { backends: [backend], targets: [targetOf(backend)], pins: () => [0] };
}

/** Devices that are not there, with every kernel: to plan and count with before anything is loaded. In the order of the targets. */
export function imaginedTargets(banks: number, hasGpu: boolean): readonly Target[] {
  const more = Array.from({ length: banks - 1 }, (_, i) => `wasm:${i + 1}`);
  return ["wasm", ...(hasGpu ? ["webgpu"] : []), ...more].map((name) => targetOf({ name, supports: () => true }));
}

/** A CPU that is not there, as if one memory held everything. */
export const imaginedCpu: Pick<Machine, "targets" | "pins"> = { targets: imaginedTargets(1, false), pins: () => [0] };
