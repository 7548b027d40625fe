import { afterAll, describe, expect, it, vi } from "vitest";
import type { BackendBuffer, Split } from "../../ts/backends/backend.ts";
import { findAdapter } from "../../ts/backends/webgpu/adapter.ts";
import { GpuDevice } from "../../ts/backends/webgpu/device.ts";
import { Pipelines } from "../../ts/backends/webgpu/pipelines.ts";
import { WebGpuBackend } from "../../ts/backends/webgpu/webgpu.ts";
import { BackendError, CapabilityError, DeviceLostError, DisposedError, OutOfMemoryError } from "../../ts/errors.ts";
import { Graph } from "../../ts/graph/graph.ts";
import { add, attention } from "../../ts/graph/ops/index.ts";
import type { Tensor } from "../../ts/graph/tensor.ts";
import { testBackend } from "./adapter.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

/** out = x + y over 64 numbers, with a buffer for each. */
function sum(on: WebGpuBackend): { split: Split; buffers: Record<"x" | "y" | "out", BackendBuffer>; free(): void } {
  const graph = new Graph();
  const x = graph.input("x", "F32", ["T", 64]);
  const y = graph.input("y", "F32", ["T", 64]);
  const out = graph.output(add({ x, y }));
  const buffers = { x: on.alloc(256), y: on.alloc(256), out: on.alloc(256) };
  const locations = new Map<Tensor, { buffer: BackendBuffer; offset: number }>(
    [x, y, out].map((t, i) => [t, { buffer: Object.values(buffers)[i]!, offset: 0 }]),
  );
  return {
    split: { nodes: graph.nodes, locations, max: { T: 1, O: 1 } },
    buffers,
    free: () => Object.values(buffers).forEach((one) => void on.free(one)),
  };
}

const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

describe.skipIf(!backend)("memory", () => {
  it("gives back what came in, at any byte, in call order", async () => {
    const on = backend!;
    const buffer = on.alloc(103);
    expect(await on.read(buffer, 0, 103)).toEqual(new Uint8Array(103));
    const want = new Uint8Array(103);
    for (const [offset, length] of [
      [0, 103],
      [1, 2],
      [2, 5],
      [97, 6],
      [7, 1],
      [12, 8],
      [102, 1],
    ] as const) {
      const piece = Uint8Array.from(range(length, offset * 3 + 1));
      on.write(buffer, offset, piece);
      want.set(piece, offset);
    }
    expect(await on.read(buffer, 0, 103)).toEqual(want);
    expect(await on.read(buffer, 5, 9)).toEqual(want.slice(5, 14));
    const before = on.read(buffer, 0, 1);
    on.write(buffer, 0, Uint8Array.of(77));
    expect([(await before)[0], (await on.read(buffer, 0, 1))[0]]).toEqual([want[0], 77]);
    on.free(buffer);
  });

  it("takes views on shared memory", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64)).fill(9);
    const buffer = backend!.alloc(64);
    backend!.write(buffer, 0, shared);
    expect(await backend!.read(buffer, 0, 64)).toEqual(new Uint8Array(64).fill(9));
    backend!.free(buffer);
  });

  it("200 lives of a plan leave nothing behind", async () => {
    const on = await testBackend();
    for (let i = 0; i < 200; i++) {
      const { split, buffers, free } = sum(on!);
      const plan = await on!.prepare(split);
      on!.write(buffers.x, 0, bytesOf(range(64, i)));
      on!.run(plan, { T: 1, O: 1 });
      if (i % 50 === 0) expect(new Float32Array((await on!.read(buffers.out, 0, 256)).buffer)[63]).toBe(i + 63);
      plan.dispose();
      free();
    }
    on!.trim();
    expect(on!.counters).toMatchObject({ usedBytes: 0, liveBuffers: 0, dispatches: 1, submits: 1 });
    on!.close();
  });
});

describe.skipIf(!backend)("errors", () => {
  it("alloc beyond the device's limit names both numbers", () => {
    const limit = backend!.device.limits.maxBufferSize;
    expect(() => backend!.alloc(limit + 4)).toThrow(OutOfMemoryError);
    expect(() => backend!.alloc(limit + 4)).toThrow(new RegExp(`${limit + 4} bytes.*${limit}`));
  });

  it("a kernel that does not compile is named, with the compiler's words", async () => {
    const device = await GpuDevice.open({});
    const broken = {
      name: "broken",
      files: ["@compute @workgroup_size(1) fn main() { let x: i32 = nonsense; }"],
      constants: {},
      access: [],
    };
    const compiled = new Pipelines(device).compile([{ spec: broken, access: [] }]);
    await expect(compiled).rejects.toThrow(BackendError);
    await expect(compiled).rejects.toThrow(/kernel broken .*unresolved value 'nonsense'/s);
    device.close();
  });

  it("what goes wrong behind a run comes up at the next call", async () => {
    const on = await testBackend();
    const buffer = on!.alloc(4);
    on!.device.createBindGroupLayout({ entries: [{ binding: 4294967295, visibility: 4, buffer: {} }] }); // invalid, and nobody catches it
    await expect(on!.read(buffer, 0, 4)).rejects.toThrow(BackendError);
    expect(await on!.read(buffer, 0, 4)).toEqual(new Uint8Array(4)); // said once
    on!.close();
  });

  it("a lost device rejects pending reads and every later call", async () => {
    const on = await testBackend();
    const { split, buffers } = sum(on!);
    const plan = await on!.prepare(split);
    on!.run(plan, { T: 1, O: 1 });
    const pending = on!.read(buffers.out, 0, 256);
    on!.device.destroy();
    await expect(pending).rejects.toThrow(DeviceLostError);
    await expect(pending).rejects.toMatchObject({ code: "device_lost" });
    expect(() => on!.run(plan, { T: 1, O: 1 })).toThrow(DeviceLostError);
    expect(() => on!.alloc(4)).toThrow(DeviceLostError);
    expect(() => on!.write(buffers.x, 0, new Uint8Array(4))).toThrow(DeviceLostError);
    await expect(on!.read(buffers.out, 0, 4)).rejects.toThrow(DeviceLostError);
    await expect(on!.prepare(split)).rejects.toThrow(DeviceLostError);
    plan.dispose();
    on!.free(buffers.x);
    on!.close();
  });

  it("a device that was given back whole serves the next backend, a lost or failed one does not", async () => {
    const [first, other] = [await testBackend(), await testBackend()];
    const kept = first!.device;
    expect(other!.device).not.toBe(kept); // one backend at a time
    const { split, buffers } = sum(first!);
    await first!.prepare(split);
    other!.close();
    first!.close();
    expect(first!.counters).toMatchObject({ usedBytes: 0, liveBuffers: 0 });
    const second = await testBackend();
    expect(second!.device).toBe(kept);
    expect(() => first!.alloc(4)).toThrow(DisposedError);
    first!.free(buffers.x); // late, and harmless
    const fine = await testBackend({ subgroups: false });
    expect(fine!.device).not.toBe(kept); // other options
    fine!.close();
    second!.device.destroy();
    await second!.device.lost;
    expect(() => second!.alloc(4)).toThrow(DeviceLostError);
    second!.close();
    const third = await testBackend();
    expect(third!.device).not.toBe(kept);
    third!.free(third!.alloc(4));
    third!.close();
  });

  it("says what is wrong with a call", async () => {
    const on = await testBackend();
    const { split, buffers } = sum(on!);
    const foreign: BackendBuffer = { bytes: 4 };
    expect(() => on!.write(foreign, 0, new Uint8Array(4))).toThrow(/another backend/);
    expect(() => on!.write(buffers.x, 255, new Uint8Array(2))).toThrow(/do not fit/);
    await expect(on!.read(buffers.x, 0, 257)).rejects.toThrow(/not in a buffer/);
    const plan = await on!.prepare(split);
    expect(() => on!.run(plan, { T: 2, O: 1 })).toThrow(/exceeds the plan's T = 1/);
    plan.dispose();
    expect(() => on!.run(plan, { T: 1, O: 1 })).toThrow(/disposed/);
    on!.close();
    on!.close();
    on!.free(buffers.x);
    expect(() => on!.alloc(4)).toThrow(DisposedError);
    await expect(on!.prepare(split)).rejects.toThrow(DisposedError);
  });

  it("does not claim what it cannot run", () => {
    const graph = new Graph();
    const heads = graph.input("q", "F32", ["T", 2, 30]);
    const caches = ["K", "V"].map((name) => graph.state(name, "F32", [1, 2, 8, 30]));
    const ids = ["rows", "positions"].map((name) => graph.input(name, "I32", ["T"]));
    attention({ q: heads, kCache: caches[0]!, vCache: caches[1]!, rows: ids[0]!, positions: ids[1]! }, { scale: 1 });
    const x = add({ x: heads, y: heads });
    add({ x, y: x });
    expect(graph.nodes.map((node) => backend!.supports(node))).toEqual([false, true, false]); // heads of 30; inputs are no arena; one value twice
  });
});

describe("without a GPU", () => {
  it("no adapter: what to do is said", async () => {
    vi.stubGlobal("navigator", { gpu: { requestAdapter: async () => null } });
    await expect(findAdapter()).rejects.toThrow(CapabilityError);
    await expect(findAdapter()).rejects.toThrow(/no GPU adapter here.*gpuLayers: 0/);
    vi.unstubAllGlobals();
  });

  it("an adapter that gives no device", async () => {
    const adapter = {
      features: new Set(),
      limits: {},
      info: {},
      requestDevice: async () => Promise.reject(new Error("busy")),
    } as unknown as GPUAdapter;
    await expect(WebGpuBackend.create({ adapter })).rejects.toThrow(/gave no device: busy/);
  });
});
