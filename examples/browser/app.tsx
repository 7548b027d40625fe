import { render } from "preact";
import { useMemo, useState } from "preact/hooks";
import { DeviceLostError, type SourceInput } from "tandem-llm";
import { CapabilitiesPanel } from "./capabilities-panel.tsx";
import { Chat } from "./chat.tsx";
import { LiveChart } from "./live-chart.tsx";
import { findExampleModel, ModelPanel } from "./model-panel.tsx";
import { PlacementPanel } from "./placement-panel.tsx";
import { SamplingPanel } from "./sampling-panel.tsx";
import { DEFAULT_PLACEMENT, DEFAULT_SAMPLING } from "./settings.ts";
import { SpeedLog } from "./speed-log.ts";
import { SweepPanel } from "./sweep-panel.tsx";
import { useChat } from "./use-chat.ts";
import { useExplanation } from "./use-explanation.ts";
import { useHeader, useModel } from "./use-model.ts";

function App({ example }: { readonly example: string | undefined }) {
  const [source, setSource] = useState<SourceInput | undefined>(example);
  const [placement, setPlacement] = useState(DEFAULT_PLACEMENT);
  const [sampling, setSampling] = useState(DEFAULT_SAMPLING);
  const [notice, setNotice] = useState<string>();
  const log = useMemo(() => new SpeedLog(), []);
  const header = useHeader(source);
  const explained = useExplanation(header.header, placement);
  const { state, load, unload } = useModel();
  const loadNow = (where = placement) => {
    if (source !== undefined) void load(source, where);
  };
  const chat = useChat(log, (error) => {
    if (!(error instanceof DeviceLostError)) return;
    const onCpu = { ...placement, gpuLayers: 0 };
    setNotice("The GPU was lost, so the model is loaded again on the CPU. Regenerate the last answer when it is ready.");
    setPlacement(onCpu);
    loadNow(onCpu);
  });
  const model = state.kind === "ready" ? state.model : undefined;
  const applied = state.kind !== "ready" || state.placement === placement;
  return (
    <>
      <header class="top">
        <h1>Tandem</h1>
        <p>A language model in this page, its layers shared between the CPU and the GPU. Nothing leaves this machine.</p>
      </header>
      {notice && (
        <p role="alert" class="notice">
          {notice}
        </p>
      )}
      <main>
        <ModelPanel {...{ example, source, header, state }} onSource={setSource} onLoad={() => loadNow()} onUnload={unload} />
        <Chat {...{ chat, model, sampling }} />
        <div class="panels">
          <PlacementPanel
            config={header.header?.config}
            {...{ placement, explained }}
            onPlacement={setPlacement}
            onApply={applied ? undefined : () => loadNow()}
          />
          <LiveChart log={log} active={chat.busy} />
          <SamplingPanel sampling={sampling} onSampling={setSampling} />
          <SweepPanel model={model} busy={chat.busy} />
          <CapabilitiesPanel />
        </div>
      </main>
    </>
  );
}

const root = document.getElementById("app")!;
const example = await findExampleModel();
root.replaceChildren();
render(<App example={example} />, root);
