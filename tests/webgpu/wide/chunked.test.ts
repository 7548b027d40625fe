import { afterAll, describe, expect, it, vi } from "vitest";
import type { Backend } from "../../../ts/backends/backend.ts";
import { WasmBackend } from "../../../ts/backends/wasm/wasm.ts";
import { GpuPlan } from "../../../ts/backends/webgpu/plan.ts";
import type { DecodeRequest } from "../../../ts/engine/ubatch.ts";
import { field } from "../../../ts/io/gguf-writer.ts";
import { assemble, contextOn, type EditTensor, takeApart, tinyModel } from "../../models/tiny.ts";
import { testBackend } from "../adapter.ts";
import { worst } from "../held.ts";

const backend = await testBackend();
const cpu = await WasmBackend.create({ build: "simd", threads: 1 });
afterAll(() => [backend, cpu].forEach((one) => void one?.close()));

/** tiny-qwen35 with half the delta heads, each of 64 in place of 32: large enough for chunks. All projections stay as wide as they are. */
async function modelOfLargeHeads(): Promise<Uint8Array<ArrayBuffer>> {
  const parts = await takeApart(await tinyModel({ architecture: "qwen35", layers: 1, seed: 4 }));
  for (const [key, value] of [
    ["state_size", 64],
    ["group_count", 1],
    ["time_step_rank", 3],
  ] as const)
    parts.metadata.set(`qwen35.ssm.${key}`, field.u32(value));
  const half = (tensor: EditTensor) => {
    const [Hv, ...rest] = tensor.shape as [number, ...number[]];
    return { ...tensor, shape: [Hv / 2, ...rest], data: tensor.data.slice(0, tensor.data.length / 2) };
  };
  for (const [name, tensor] of parts.tensors) {
    if (/ssm_(a|dt\.bias|alpha\.weight|beta\.weight)$/.test(name)) parts.tensors.set(name, half(tensor)); // of Hv heads
    if (name.endsWith("ssm_norm.weight"))
      parts.tensors.set(name, { ...tensor, shape: [64], data: new Uint8Array([...tensor.data, ...tensor.data]) });
  }
  return assemble(parts);
}

const tokens = (count: number, from: number) => Array.from({ length: count }, (_, i) => (i * 89 + from) % 300);
const CHECKED = [0, 63, 64]; // logits of the first chunk's ends, of the next one's beginning, and of the last token

const prompts: readonly (readonly DecodeRequest[])[] = [
  [
    { tokens: tokens(90, 3), sequence: 0, logits: [...CHECKED, 89] },
    { tokens: tokens(66, 5), sequence: 1, logits: [...CHECKED, 65] },
  ],
  [
    { tokens: tokens(30, 11), sequence: 1, logits: [0, 29] }, // too short for chunks
    { tokens: tokens(75, 13), sequence: 0, logits: [...CHECKED, 74] },
  ],
];

/** Logits of each prompt, and of one more token of each of its sequences: the states that it has left. */
async function logitsOn(on: Backend, bytes: Uint8Array): Promise<Float32Array[]> {
  const { context } = await contextOn(on, bytes, { contextLength: 104, sequences: 2, ubatch: 160 });
  using held = context;
  const rows: Float32Array[] = [];
  for (const requests of prompts) {
    for (const sequence of [0, 1]) await held.clear(sequence);
    rows.push(...(await held.decode(requests)));
    rows.push(...(await held.decode(requests.map(({ sequence = 0 }) => ({ tokens: [17], sequence })))));
  }
  return rows;
}

describe.skipIf(!backend)("a prompt of more than 64 tokens", () => {
  it("goes through the delta net in chunks and gives the CPU's logits", async () => {
    const bytes = await modelOfLargeHeads();
    const want = await logitsOn(cpu, bytes);
    const prepare = vi.spyOn(backend!, "prepare");
    const plans: unknown[] = [];
    prepare.mockImplementation(async (split) => {
      prepare.mockRestore();
      const plan = await backend!.prepare(split);
      if (plan instanceof GpuPlan) plans.push(plan.program({ T: 160, O: 1 }).steps.map(({ kernel }) => kernel));
      return plan;
    });
    const got = await logitsOn(backend!, bytes);
    expect(plans).toHaveLength(1);
    expect(plans[0]).toEqual(expect.arrayContaining(["gated_delta", "gated_delta chunk within", "gated_delta chunk across", "gated_norm"]));
    got.forEach((row, i) => void expect(worst(row, want[i]!), `row ${i}`).toBeLessThan(1e-3));
  }, 60_000);
});
