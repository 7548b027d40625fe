import { useId, useMemo } from "preact/hooks";
import { type Config, drawSchedule } from "tandem-llm";
import { MemoryTable } from "./memory-table.tsx";
import { NumberField } from "./number-field.tsx";
import type { Placement } from "./settings.ts";
import { ShadowSvg } from "./shadow-svg.tsx";
import { showBytes, showError } from "./show.ts";
import type { ExplanationState } from "./use-explanation.ts";

interface PlacementPanelProps {
  readonly config: Config | undefined;
  readonly placement: Placement;
  readonly onPlacement: (placement: Placement) => void;
  readonly explained: ExplanationState;
  /** Loads again where a model is loaded with another placement. */
  readonly onApply: (() => void) | undefined;
}

/** Which layers go where: the plan follows the controls at once, the weights only when they are loaded again. */
export function PlacementPanel({ config, placement, onPlacement, explained, onApply }: PlacementPanelProps) {
  const set = (change: Partial<Placement>) => onPlacement({ ...placement, ...change });
  const layers = config?.L ?? 0;
  return (
    <section class="panel" aria-labelledby="placement-title">
      <h2 id="placement-title">Placement</h2>
      <div class="fields">
        <Slider label="Layers on the GPU" value={placement.gpuLayers} max={layers} onInput={(gpuLayers) => set({ gpuLayers })} />
        {config && config.X > 0 && (
          <Slider
            label="Layers whose experts stay on the CPU"
            value={placement.cpuExperts}
            max={layers}
            onInput={(cpuExperts) => set({ cpuExperts })}
          />
        )}
        <NumberField
          label="Splits at most"
          value={placement.maxSplits}
          min={1}
          placeholder="no limit"
          onChange={(maxSplits) => set({ maxSplits })}
        />
        <NumberField
          label="Context, tokens"
          value={placement.contextLength}
          min={64}
          max={config?.trainedContext}
          onChange={(contextLength = 4096) => set({ contextLength })}
        />
        <NumberField
          label="CPU threads"
          value={placement.threads}
          min={1}
          max={64}
          placeholder="all cores"
          onChange={(threads) => set({ threads })}
        />
      </div>
      {explained.error !== undefined && <p role="alert">{showError(explained.error)}</p>}
      {onApply && (
        <p class="row">
          <span>The loaded model is placed otherwise.</span>
          <button type="button" class="primary" onClick={onApply}>
            Load with this placement
          </button>
        </p>
      )}
      {explained.explanation && config && <Plan config={config} explanation={explained.explanation} />}
    </section>
  );
}

function Plan({ config, explanation }: { config: Config; explanation: NonNullable<ExplanationState["explanation"]> }) {
  const { report, gpuLayers } = explanation;
  const title = `${gpuLayers} of ${config.L} layers on the GPU`;
  const svg = useMemo(() => drawSchedule(report, title, showBytes), [report, title]);
  const { graphSplits, decode, prefill } = report;
  return (
    <>
      <p role="status" class="plan">
        <output>{graphSplits}</output> {graphSplits === 1 ? "split" : "splits"}, <output>{decode.crossings}</output> crossings:{" "}
        {showBytes(decode.bytes)} a generated token, {showBytes(prefill.bytes)} a prompt piece of {prefill.tokens}
      </p>
      <MemoryTable memory={report.memory} />
      <ShadowSvg svg={svg} name={`Splits and crossings, ${title}`} />
    </>
  );
}

interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly max: number;
  readonly onInput: (value: number) => void;
}

function Slider({ label, value, max, onInput }: SliderProps) {
  const id = useId();
  const shown = Math.min(value, max);
  return (
    <div class="field slider">
      <label for={id}>{label}</label>
      <output for={id}>
        {shown} of {max}
      </output>
      <input
        {...{ id, max }}
        type="range"
        min={0}
        value={shown}
        disabled={max === 0}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}
