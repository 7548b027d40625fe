/** One piece of a probe: small enough that what does not fit is known to a few percent, large enough that few are made. */
const PIECE_BYTES = 256 * 2 ** 20;

/**
 * How much of `wantedBytes` the device admits: buffers are taken one after the other under an error scope until one fails, and given back.
 * WebGPU tells no free memory; a driver may also admit more than it holds without paging, so this is an upper bound.
 */
export async function admittedBytes(device: GPUDevice, wantedBytes: number): Promise<number> {
  const taken: GPUBuffer[] = [];
  let granted = 0;
  try {
    while (granted < wantedBytes) {
      const size = Math.ceil(Math.min(PIECE_BYTES, device.limits.maxBufferSize, wantedBytes - granted) / 4) * 4;
      device.pushErrorScope("out-of-memory");
      taken.push(device.createBuffer({ label: "memory probe", size, usage: GPU_COPY_DST }));
      if (await device.popErrorScope()) break;
      granted += size;
    }
  } finally {
    for (const buffer of taken) buffer.destroy();
    device.queue.submit([]); // destroyed memory comes back with a submit
  }
  return Math.min(granted, wantedBytes);
}

/** GPUBufferUsage.COPY_DST: the global is missing where Dawn is loaded as a module. */
const GPU_COPY_DST = 8;
