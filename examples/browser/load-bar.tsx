import type { LoadProgress } from "tandem-llm";
import { showBytes, showSeconds } from "./show.ts";

const PHASES = { download: "Downloading", verify: "Checking", load: "Loading" } as const;

/** How far a model has come. */
export function LoadBar({ progress }: { readonly progress: LoadProgress | undefined }) {
  if (!progress)
    return (
      <label class="field">
        <span>Starting</span>
        <progress />
      </label>
    );
  const { phase, loadedBytes, totalBytes } = progress;
  const amount = `${showBytes(loadedBytes)} of ${showBytes(totalBytes)}`;
  const speed = progress.phase !== "load" && progress.bytesPerSecond > 0 ? `, ${showBytes(progress.bytesPerSecond)}/s` : "";
  const left = progress.phase !== "load" && progress.secondsLeft !== undefined ? `, ${showSeconds(progress.secondsLeft)} left` : "";
  return (
    <label class="field">
      <span>
        {PHASES[phase]}: {amount}
        {speed}
        {left}
      </span>
      <progress value={loadedBytes} max={totalBytes} />
    </label>
  );
}
