import { useMemo, useRef, useState } from "preact/hooks";
import { drawSweep, type Model, type Remote, type SweepRow, sweep, sweepCsv } from "tandem-llm";
import { NumberField } from "./number-field.tsx";
import { saveBlob, svgToPng } from "./save.ts";
import { ShadowSvg } from "./shadow-svg.tsx";
import { showError } from "./show.ts";
import { SweepTable } from "./sweep-table.tsx";

interface SweepPanelProps {
  readonly model: Remote<Model> | undefined;
  /** Measuring while an answer is written would measure both. */
  readonly busy: boolean;
}

/** llama-sweep-bench in the page: both speeds over the filling of the KV cache. */
export function SweepPanel({ model, busy }: SweepPanelProps) {
  const [contextLength, setContextLength] = useState(1024);
  const [ubatch, setUbatch] = useState(128);
  const { rows, error, running, start, stop } = useSweep();
  const title = { title: model?.name ?? "No model", subtitle: `${model?.device ?? ""}, ubatch ${ubatch}` };
  const svg = useMemo(() => (rows.length > 0 ? drawSweep(rows, title) : undefined), [rows]);
  return (
    <details class="panel">
      <summary>
        <h2>Sweep bench</h2>
      </summary>
      <div class="fields">
        <NumberField
          label="Context, tokens"
          value={contextLength}
          min={64}
          onChange={(value = 1024) => setContextLength(value)}
          disabled={running}
        />
        <NumberField label="Ubatch, tokens" value={ubatch} min={16} onChange={(value = 128) => setUbatch(value)} disabled={running} />
      </div>
      <div class="row">
        {running ? (
          <button type="button" onClick={stop}>
            Stop
          </button>
        ) : (
          <button type="button" class="primary" disabled={!model || busy} onClick={() => start(model!, { contextLength, ubatch })}>
            Measure
          </button>
        )}
        <button
          type="button"
          disabled={rows.length === 0}
          onClick={() => saveBlob("sweep.csv", new Blob([sweepCsv(rows)], { type: "text/csv" }))}
        >
          Save CSV
        </button>
        <button type="button" disabled={!svg} onClick={async () => saveBlob("sweep.png", await svgToPng(svg!))}>
          Save PNG
        </button>
      </div>
      {error !== undefined && <p role="alert">{showError(error)}</p>}
      {rows.length > 0 && <SweepTable rows={rows} />}
      {svg && <ShadowSvg svg={svg} name="Speeds over the filling of the KV cache" />}
    </details>
  );
}

function useSweep() {
  const [rows, setRows] = useState<readonly SweepRow[]>([]);
  const [error, setError] = useState<unknown>();
  const [running, setRunning] = useState(false);
  const abort = useRef<AbortController>(undefined);

  async function start(model: Remote<Model>, shape: { contextLength: number; ubatch: number }): Promise<void> {
    const stopping = new AbortController();
    const { signal } = stopping;
    abort.current = stopping;
    setRows([]);
    setError(undefined);
    setRunning(true);
    try {
      const context = await model.createContext({ ...shape, checkpoints: 1 });
      try {
        for await (const row of sweep(model, context, { signal })) setRows((before) => [...before, row]);
      } finally {
        await context.dispose();
      }
    } catch (reason) {
      if (!signal.aborted) setError(reason);
    } finally {
      setRunning(false);
    }
  }
  return { rows, error, running, start, stop: () => abort.current?.abort() };
}
