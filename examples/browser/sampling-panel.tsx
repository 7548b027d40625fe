import { NumberField } from "./number-field.tsx";
import type { Sampling } from "./settings.ts";

const FIELDS = [
  { key: "temperature", label: "Temperature", min: 0, max: 5, step: 0.05 },
  { key: "top_k", label: "Top-k", min: 0, max: 1000, step: 1 },
  { key: "top_p", label: "Top-p", min: 0, max: 1, step: 0.01 },
  { key: "min_p", label: "Min-p", min: 0, max: 1, step: 0.01 },
  { key: "repetition_penalty", label: "Repetition penalty", min: 0.1, max: 3, step: 0.01 },
  { key: "presence_penalty", label: "Presence penalty", min: -2, max: 2, step: 0.05 },
  { key: "seed", label: "Seed", min: 0, max: 2 ** 32 - 1, step: 1, empty: "random" },
  { key: "maxTokens", label: "Tokens at most", min: 1, max: 2 ** 20, step: 1, empty: "no limit" },
] as const;

interface SamplingPanelProps {
  readonly sampling: Sampling;
  readonly onSampling: (sampling: Sampling) => void;
}

/** How tokens are chosen, from the next answer on. */
export function SamplingPanel({ sampling, onSampling }: SamplingPanelProps) {
  return (
    <details class="panel">
      <summary>
        <h2>Sampling</h2>
      </summary>
      <label class="field">
        <span>System message</span>
        <textarea rows={2} value={sampling.system} onInput={(event) => onSampling({ ...sampling, system: event.currentTarget.value })} />
      </label>
      <div class="fields">
        {FIELDS.map(({ key, label, min, max, step, ...rest }) => (
          <NumberField
            {...{ key, label, min, max, step }}
            placeholder={"empty" in rest ? rest.empty : "the model's"}
            value={sampling[key]}
            onChange={(value) => onSampling({ ...sampling, [key]: value })}
          />
        ))}
      </div>
    </details>
  );
}
