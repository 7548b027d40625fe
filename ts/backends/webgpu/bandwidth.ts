import streamRead from "../../../gpu/stream_read.wgsl";
import { type DeviceOptions, GpuDevice } from "./device.ts";
import { BUFFER_USAGE } from "./usage.ts";

/** Beyond any cache; less where a binding holds less. */
const STREAM_BYTES = 2 ** 30;
const WORKGROUPS = 4096;
const REPEATS = 20;

/** Bytes a second that the GPU streams from its memory: the best of several timed rounds. Opens a device of its own and closes it. */
export async function measureGpuBandwidth(options: DeviceOptions = {}): Promise<{ device: string; bytesPerSecond: number }> {
  const gpu = await GpuDevice.open(options);
  try {
    const { device } = gpu;
    const bytes = Math.min(STREAM_BYTES, device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
    const data = device.createBuffer({ size: bytes, usage: BUFFER_USAGE.STORAGE });
    const sums = device.createBuffer({ size: 4 * WORKGROUPS, usage: BUFFER_USAGE.STORAGE });
    const module = device.createShaderModule({ code: streamRead });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
    const entries = [data, sums].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 4; round++) {
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < REPEATS; i++) pass.dispatchWorkgroups(WORKGROUPS);
      pass.end();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      if (round > 0) best = Math.min(best, performance.now() - start); // the first compiles and clears
    }
    return { device: gpu.description, bytesPerSecond: (bytes * REPEATS) / (best / 1e3) };
  } finally {
    gpu.close();
  }
}
