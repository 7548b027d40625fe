import { afterAll, describe, expect, it } from "vitest";
import type { Timeline } from "../../ts/backends/backend.ts";
import { clockStep, stepTimes } from "../../ts/backends/webgpu/pass-timer.ts";
import type { WebGpuBackend } from "../../ts/backends/webgpu/webgpu.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { matmul, rmsNorm } from "../../ts/graph/ops/index.ts";
import type { Tensor } from "../../ts/graph/tensor.ts";
import { testBackend } from "../webgpu/adapter.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

/** A matmul with Q8_0 weights, whose activations are rounded in a dispatch of their own, then rms_norm. */
async function runChain(on: WebGpuBackend, timed: boolean): Promise<{ out: Uint8Array; timelines: Timeline[]; notes: string[] }> {
  const graph = new Graph();
  const x = graph.input("x", "F32", ["T", 64]);
  const w = graph.weight("w", "Q8_0", [32, 64]);
  const norm = graph.weight("norm", "F32", [32]);
  const qkv = matmul({ x, w }, {}, "qkv-0"); // [T, 32]
  const out = graph.output(rmsNorm({ x: qkv, weight: norm }, { eps: 1e-6 }, "q_norm-0")); // [T, 32]
  const tensors: readonly Tensor[] = [x, w, norm, qkv, out];
  const locations = new Map(tensors.map((tensor) => [tensor, { buffer: on.alloc(4096), offset: 0 }]));
  const write = (tensor: Tensor, data: Float32Array | Uint8Array) =>
    on.write(locations.get(tensor)!.buffer, 0, new Uint8Array(data.buffer, 0, data.byteLength));
  write(
    x,
    new Float32Array(2 * 64).map((_, i) => (i % 7) - 3),
  );
  write(norm, new Float32Array(32).fill(1));
  write(
    w,
    new Uint8Array(32 * 2 * 34).map((_, i) => [0, 0x3c][i % 34] ?? i % 13),
  ); // scale 1 in f16, then 32 bytes
  const plan = await on.prepare({ nodes: graph.nodes, locations, max: { T: 2, O: 1 } });
  const timelines: Promise<Timeline>[] = [];
  const notes: string[] = [];
  const recorder = {
    record: (one: Timeline | Promise<Timeline>) => void timelines.push(Promise.resolve(one)),
    note: (text: string) => void notes.push(text),
  };
  for (let run = 0; run < 2; run++) on.run(plan, { T: 2, O: 1 }, timed ? recorder : undefined);
  const result = { out: await on.read(locations.get(out)!.buffer, 0, 4 * 2 * 32), timelines: await Promise.all(timelines), notes };
  plan.dispose();
  for (const { buffer } of locations.values()) on.free(buffer);
  return result;
}

describe.skipIf(!backend?.device.features.has("timestamp-query"))("GPU times", () => {
  it("are of every dispatch, in order, and change no result", async () => {
    const plain = await runChain(backend!, false);
    const { out, timelines } = await runChain(backend!, true);
    expect(out).toEqual(plain.out);
    expect(new Float32Array(out.buffer).some((value) => value !== 0)).toBe(true);
    expect(timelines).toHaveLength(2);
    for (const { steps, times, threads } of timelines) {
      expect(steps.map(({ nodes, share }) => [nodes.map(({ name }) => name).join(), share])).toEqual([
        ["qkv-0", 0],
        ["qkv-0", 1],
        ["q_norm-0", 1],
      ]);
      expect(threads).toBe(1);
      expect(times).toHaveLength(2 * (steps.length + 1));
      expect(times.every((time, i) => i === 0 || time >= times[i - 1]!)).toBe(true);
    }
    expect(timelines[1]!.times[0]).toBeGreaterThanOrEqual(timelines[0]!.times.at(-1)!);
  });
});

describe.skipIf(!backend)("a GPU without timestamp queries", () => {
  it("runs, and says that it cannot be timed", async () => {
    const plain = await testBackend({ timestamps: false });
    const { timelines, notes } = await runChain(plain!, true);
    expect(timelines).toEqual([]);
    expect(notes.length).toBe(2);
    expect(notes[0]).toMatch(/no timestamp queries/);
    plain!.close();
  });
});

describe("times of passes", () => {
  it("become steps that never run backwards", () => {
    const passes = Float64Array.of(10, 12, 12, 15, 14, 14, 20, 21); // the third overlaps the second
    expect([...stepTimes(passes, -10)]).toEqual([0, 0, 2, 2, 5, 5, 5, 10, 11, 11]);
  });
  it("show the step of their clock", () => {
    expect(clockStep(Float64Array.of(3, 1, 1.5, 3, 1))).toBe(0.5);
    expect(clockStep(Float64Array.of(2, 2))).toBe(Number.POSITIVE_INFINITY);
  });
});
