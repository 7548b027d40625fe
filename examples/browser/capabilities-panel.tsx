import { useEffect, useState } from "preact/hooks";
import { type Capabilities, type Capability, capabilities } from "tandem-llm";
import { showBytes } from "./show.ts";

/** What this browser offers, and why something is missing. */
export function CapabilitiesPanel() {
  const [found, setFound] = useState<Capabilities>();
  useEffect(() => void capabilities().then(setFound), []);
  return (
    <details class="panel">
      <summary>
        <h2>This browser</h2>
      </summary>
      {found && (
        <dl class="capabilities">
          {describe(found).map(([name, { available, why }, facts]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {available ? "yes" : "no"}
                {facts && `, ${facts}`}
                {why && <span class="faint"> {why}</span>}
              </dd>
            </div>
          ))}
          <div>
            <dt>Memory</dt>
            <dd>
              {showBytes(found.memory.wasmBytes)} of WebAssembly at most
              {found.memory.machineBytes !== undefined && `, about ${showBytes(found.memory.machineBytes)} in the machine`}
            </dd>
          </div>
        </dl>
      )}
    </details>
  );
}

function describe({ simd, relaxedSimd, threads, webgpu, f16, subgroups, opfs }: Capabilities): (readonly [string, Capability, string?])[] {
  const kept = opfs.quotaBytes === undefined ? undefined : `${showBytes(opfs.usedBytes ?? 0)} of ${showBytes(opfs.quotaBytes)} taken`;
  return [
    ["WebAssembly SIMD", simd],
    ["Relaxed SIMD", relaxedSimd],
    ["Threads", threads, `${threads.count} used by default`],
    ["WebGPU", webgpu, webgpu.adapter],
    ["f16 on the GPU", f16],
    ["Subgroups on the GPU", subgroups],
    ["Storage for models (OPFS)", opfs, kept],
  ];
}
