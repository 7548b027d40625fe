import type { Split } from "../../ts/backends/backend.ts";
import type { Dispatch, GpuCapabilities, GpuRange, LoweringContext } from "../../ts/backends/webgpu/dispatch.ts";
import { fuse, unfused } from "../../ts/backends/webgpu/fuse.ts";
import { mergeable } from "../../ts/backends/webgpu/merge.ts";
import { roundedValues } from "../../ts/backends/webgpu/rounding.ts";
import { findSharedExperts, withSharedExperts } from "../../ts/backends/webgpu/shared-expert.ts";
import { formatByName } from "../../ts/graph/formats.ts";
import { type Dims, elements } from "../../ts/graph/tensor.ts";
import type { GgufFile } from "../../ts/io/gguf.ts";
import { buildModel, type ContextShape, type ModelGraph } from "../../ts/models/architecture.ts";
import type { Config } from "../../ts/models/config.ts";
import { qwen3next } from "../../ts/models/qwen3next.ts";
import { qwen35 } from "../../ts/models/qwen35.ts";
import { qwen35moe } from "../../ts/models/qwen35moe.ts";
import { type Preset, type PresetName, presets, type Quant, tensorPlan } from "../../ts/synth/index.ts";

/** Real models' graphs and their dispatches on shapes alone: no weights, no GPU. */

export function graphOf(preset: PresetName, quant: Quant, context: ContextShape): ModelGraph {
  const tensors = new Map(
    tensorPlan({ preset, quant }).map(({ name, shape, format }) => {
      const { ggmlType } = formatByName(format);
      return [name, { name, shape, type: ggmlType, typeName: format }];
    }),
  );
  const file = { name: preset, tensors } as unknown as GgufFile;
  const architecture = { qwen3next, qwen35, qwen35moe }[presets[preset].architecture];
  return buildModel(architecture, file, configOf(presets[preset]), context);
}

function configOf(p: Preset): Config {
  const { architecture, E, V, L, H, G, D, F, X, U, expertF, sharedF, Hk, Hv, Dk, Dv, rotated } = p;
  const rope = { dimensions: rotated, freqBase: 1e7, scale: 1, sections: p.sections };
  const recurrent = Array.from({ length: L }, (_, i) => (i + 1) % 4 !== 0);
  const sizes = { E, V, L, H, G, D, F, X, U, expertF, sharedF, Hk, Hv, Dk, Dv, C: 2 * Hk * Dk + Hv * Dv, K: 4 };
  return { architecture, ...sizes, mtpLayers: 0, eps: 1e-6, rope, trainedContext: 262144, recurrent };
}

/** What every adapter of the last years offers. */
export const CAPS: GpuCapabilities = {
  f16: true,
  subgroups: true,
  subgroupMin: 32,
  subgroupMax: 32,
  subgroupMatrix: false,
  dot4I8Packed: true,
  limits: {
    maxBufferSize: 2 ** 32,
    maxStorageBufferBindingSize: 2 ** 31 - 4,
    maxStorageBuffersPerShaderStage: 16,
    minStorageBufferOffsetAlignment: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeInvocationsPerWorkgroup: 256,
  } as GPUSupportedLimits,
};

export function splitOf({ graph }: ModelGraph, max: Dims): Split {
  return { nodes: graph.nodes, locations: new Map(), max, keep: new Set([...graph.outputs.values()].map((tensor) => tensor.storage)) };
}

/** A context whose memory is not there: for kernels' texts and counts. */
export function memoryless(caps: GpuCapabilities, dims: Dims): LoweringContext {
  const range = (bytes: number): GpuRange => ({ buffer: {} as GPUBuffer, offset: 0, bytes });
  return { caps, dims, range: (tensor) => range(4 * elements(tensor.shape, dims)), scratch: (_, bytes) => range(bytes) };
}

/** The dispatches of one run. */
export function dispatchesOf(split: Split, dims: Dims, fused = true, caps = CAPS): readonly Dispatch[] {
  const context = memoryless(caps, dims);
  if (!fused) return unfused(split.nodes).flatMap((unit) => unit.lower(context));
  const whole = { ...split, nodes: withSharedExperts(split.nodes, findSharedExperts(split)) };
  const rounded = roundedValues(whole.nodes);
  const units = fuse(whole, caps, { merges: mergeable(whole, caps.limits), lone: new Map() });
  return units.flatMap((unit) => unit.lower(Object.assign(context, { rounded })));
}
