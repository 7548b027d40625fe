// Milliseconds of gated_delta and the gated_norm behind it on the GPU, in each form and each of its dispatches, by the GPU's own clock.
//   npx esbuild bench/gpu-delta.mjs --bundle --format=esm --platform=node --loader:.wgsl=text --external:webgpu --outfile=build/gpu-delta.mjs
//   node build/gpu-delta.mjs [tiny] [tokens …]
// DAWN_FLAGS: options for Dawn, separated by semicolons. `tiny`: two heads of 64 in place of 32 of 128, for a software adapter.

import { chunkedSupported } from "../ts/backends/webgpu/lower-delta-chunk.ts";
import { deltaDispatches, deltaForm } from "../ts/backends/webgpu/lower-delta-form.ts";
import { Graph } from "../ts/graph/graph.ts";
import { scalarsOf } from "../ts/graph/op.ts";
import { gatedDelta, gatedNorm } from "../ts/graph/ops/index.ts";
import { caps, context, device, fill, free, gpu, read, run, time } from "./gpu-rig.mjs";

const args = process.argv.slice(2);
const tiny = args.includes("tiny");
const { Hk, Hv, D } = tiny ? { Hk: 1, Hv: 2, D: 64 } : { Hk: 16, Hv: 32, D: 128 };
const sizes = args.filter((arg) => arg !== "tiny").map(Number);

function deltaGraph(T) {
  const graph = new Graph();
  const input = (name, shape) => graph.input(name, "F32", shape);
  const inputs = {
    qkv: input("qkv", [T, (2 * Hk + Hv) * D]),
    ...{ a: input("a", [T, Hv]), b: input("b", [T, Hv]), dt: input("dt", [Hv]), A: input("A", [Hv]) },
    state: graph.state("state", "F32", [1, Hv, D, D]),
    rows: graph.input("rows", "I32", [T]),
  };
  const x = gatedDelta(inputs, { Hk, tiled: 1, eps: 1e-6 }, "delta");
  const behind = { gate: input("gate", [T, Hv, D]), weight: input("weight", [D]) };
  const out = gatedNorm({ x, ...behind }, { eps: 1e-6 }, "norm");
  return { graph, inputs: { ...inputs, ...behind }, out };
}

/** Numbers of both signs from 1/2 to 1; a decay below 1; one sequence; a state of zeros. */
function fillInputs(inputs, one) {
  Object.entries(inputs).forEach(([name, tensor], i) => {
    const bits = { A: [0x007fffff, 0xbf000000], state: [0], rows: [0] }[name] ?? [0x807fffff, 0x3f000000];
    run([fill(one.range(tensor), 1000 * i, ...bits)]);
  });
}

const ms = (us) => (us / 1e3).toFixed(3);

async function forms(T) {
  const { graph, inputs, out } = deltaGraph(T);
  const [delta, norm] = graph.nodes;
  const one = context();
  const s = scalarsOf(delta, one.dims);
  let fused;
  for (const form of ["fused", "recurrent", ...(chunkedSupported(s, caps.limits) ? ["chunked"] : [])]) {
    const dispatches = deltaDispatches(delta, one, norm, form);
    fillInputs(inputs, one);
    run(dispatches);
    const got = await read(one.range(out));
    fused ??= got;
    const largest = fused.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const off = got.reduce((most, value, i) => Math.max(most, Math.abs(value - fused[i])), 0) / largest;
    const whole = await time(dispatches);
    const parts = [];
    for (const dispatch of dispatches) parts.push(`${dispatch.kernel.name} ${ms(await time([dispatch]))}`);
    console.log(`T=${T} ${form}: ${ms(whole)} ms (${parts.join(", ")}), off from fused by ${off.toExponential(1)} of the largest`);
  }
  console.log(`T=${T}: the backend takes ${deltaForm(s, caps.limits)}`);
  free();
}

console.log(gpu.description, `Hk=${Hk} Hv=${Hv} Dk=Dv=${D}`);
for (const T of sizes.length > 0 ? sizes : [64, 256, 512, 2048]) await forms(T);
device.destroy();
