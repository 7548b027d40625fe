import type { Dispatch, GpuCapabilities } from "../../ts/backends/webgpu/dispatch.ts";
import { lowerings } from "../../ts/backends/webgpu/lower.ts";
import { packingOf } from "../../ts/backends/webgpu/matmul-packing.ts";
import { type Access, kernelText } from "../../ts/backends/webgpu/pipelines.ts";
import { repackDispatches } from "../../ts/backends/webgpu/weights.ts";
import { type Format, formats } from "../../ts/graph/formats.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import { makeProblem } from "../conformance/harness.ts";
import { CAPS, dispatchesOf, graphOf, memoryless, splitOf } from "./shapes.ts";

/** A pipeline's text with what its layout needs. */
export interface KernelText {
  readonly name: string;
  readonly text: string;
  readonly access: readonly Access[];
  readonly features: readonly string[];
}

const caches: readonly Format[] = ["F32", "F16", "Q8_0"];
const DIMS = { T: 1, O: 1 };

/** Every kernel that the library can make for these capabilities: all ops, cases and formats, and the fusions in real models' graphs. */
export function allKernels(caps: GpuCapabilities): readonly KernelText[] {
  const dispatches = [...opDispatches(caps), ...repacks(), ...modelDispatches(caps)];
  const texts = new Map<string, KernelText>();
  for (const { kernel } of dispatches) {
    const arena = kernel.access.map((): Access => "read_write"); // all tensors in one buffer
    for (const access of new Map([kernel.access, arena].map((one) => [one.join(), one])).values()) {
      const text = kernelText(kernel, access);
      texts.set(text, { name: kernel.name, text, access, features: (kernel.enables ?? []).map(String) });
    }
  }
  return [...texts.values()];
}

function* opDispatches(caps: GpuCapabilities): Generator<Dispatch> {
  for (const op of ops.allOps) {
    const apply = Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;
    const signatures = Object.values(op.inputs);
    const choices = signatures.some((text) => text.startsWith("weight"))
      ? formats.map(({ name }) => ({ weight: name, cache: "F32" as const }))
      : (signatures.some((text) => text.startsWith("cache")) ? caches : caches.slice(0, 1)).map((cache) => ({
          weight: "F32" as const,
          cache,
        }));
    for (const choice of choices) {
      for (const sizes of op.cases) {
        const node = makeProblem(apply, op, sizes, choice).graph.nodes[0]!;
        yield* lowerings[op.name]!(node, memoryless(caps, DIMS));
      }
    }
  }
}

function repacks(): Dispatch[] {
  const range = { buffer: {} as GPUBuffer, offset: 0, bytes: 256 };
  return formats.filter(({ name }) => packingOf(name).quantised).flatMap(({ name }) => repackDispatches(name, range, range, 1, 256));
}

function* modelDispatches(caps: GpuCapabilities): Generator<Dispatch> {
  for (const preset of ["qwen3next-80b-a3b", "tiny-qwen35"] as const) {
    for (const cache of caches) {
      const max = { T: 64, O: 1 };
      const model = graphOf(preset, "Q4_K_M", { contextLength: 1024, sequences: 1, cacheTypeK: cache, cacheTypeV: cache, max });
      for (const T of [1, 64]) yield* dispatchesOf(splitOf(model, max), { T, O: 1 }, true, caps);
    }
  }
}

/** What a browser's or Deno's default device has. */
export const PORTABLE: GpuCapabilities = {
  ...CAPS,
  f16: false,
  subgroups: false,
  subgroupMin: 0,
  subgroupMax: 0,
  limits: { ...CAPS.limits, maxStorageBuffersPerShaderStage: 8, maxStorageBufferBindingSize: 2 ** 27 },
};
