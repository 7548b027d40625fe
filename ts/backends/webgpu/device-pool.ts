import { type DeviceOptions, GpuDevice } from "./device.ts";

/**
 * Opening a device, and compiling a model's kernels for it, costs seconds and leaves memory behind in the driver that destroying it does
 * not give back. So the last device that was given back is kept, with its pipelines, for the next model of this process. A device serves
 * one backend at a time: what goes wrong late in one model must not come up in another.
 */
let idle: { readonly device: GpuDevice; readonly options: DeviceOptions } | undefined;

/** A device with more pipelines than some models need is not kept: they are never forgotten one by one. */
const MAX_KEPT_PIPELINES = 1000;

/** The idle device, where it was opened with the same options and is well, else a new one. Throws CapabilityError, BackendError. */
export async function takeDevice(options: DeviceOptions): Promise<GpuDevice> {
  if (idle?.device.healthy && alike(idle.options, options)) {
    const { device } = idle;
    idle = undefined;
    return device;
  }
  return GpuDevice.open(options);
}

/** Keeps a device that nobody uses any more, or closes it. Its buffers must have been freed. */
export function giveDevice(device: GpuDevice, options: DeviceOptions): void {
  if (!device.healthy || device.pipelines.count > MAX_KEPT_PIPELINES) {
    device.close();
    return;
  }
  idle?.device.close();
  idle = { device, options };
  device.device.queue.submit([]); // destroyed memory comes back with a submit
}

function alike({ adapter: a, ...one }: DeviceOptions, { adapter: b, ...other }: DeviceOptions): boolean {
  const sorted = (options: object) => JSON.stringify(Object.entries(options).sort());
  return a === b && sorted(one) === sorted(other);
}
