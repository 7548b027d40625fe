import type { MeasuredContext } from "./timing.ts";

/** Bytes a second that each backend streams from its memory: measureCpuBandwidth, measureGpuBandwidth. */
export interface Bandwidth {
  readonly wasm?: number;
  readonly webgpu?: number;
}

/**
 * The speed, in tokens a second, at which `tokens` tokens in runs of at most `perRun` would pass if reading each run's weights once were
 * all there is to do, one backend after the other. Generation (perRun 1) comes near it; prefill does not, as it multiplies every byte many
 * times. Undefined where weights lie on a backend whose bandwidth is not given.
 */
export function roofSpeed(
  context: Pick<MeasuredContext, "activeBytes">,
  bandwidth: Bandwidth,
  tokens: number,
  perRun: number,
): number | undefined {
  const runSeconds = (count: number) => {
    let seconds = 0;
    for (const [backend, bytes] of context.activeBytes(count)) seconds += bytes / (bandwidth[backend as keyof Bandwidth] ?? Number.NaN);
    return seconds;
  };
  const rest = tokens % perRun;
  const seconds = Math.floor(tokens / perRun) * runSeconds(perRun) + (rest > 0 ? runSeconds(rest) : 0);
  return Number.isNaN(seconds) ? undefined : tokens / seconds;
}
