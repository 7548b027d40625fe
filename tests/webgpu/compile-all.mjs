/**
 * Compiles kernels one by one on an adapter, in Node or Deno. Returns what went wrong: "name: the compiler's message".
 * `modules`: parse and validate only, where a pipeline would go through a software GPU's slow code generator.
 */
export async function compileAll(adapter, kernels, modules = false) {
  const names = ["maxStorageBuffersPerShaderStage", "maxComputeWorkgroupStorageSize", "maxComputeInvocationsPerWorkgroup"];
  const requiredFeatures = ["shader-f16", "subgroups"].filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({
    requiredFeatures,
    requiredLimits: Object.fromEntries(names.map((name) => [name, adapter.limits[name]])),
  });
  const step = device.createBindGroupLayout({ entries: [{ binding: 0, visibility: COMPUTE, buffer: { type: "uniform" } }] });
  const problems = [];
  for (const { name, text, access } of kernels) {
    if (access.length > adapter.limits.maxStorageBuffersPerShaderStage) continue; // never made for such a device
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: name, code: text });
    if (!modules) pipelineOf(device, step, module, name, access);
    const error = await device.popErrorScope();
    if (error) problems.push(`${name}: ${error.message}`);
  }
  device.destroy();
  return problems;
}

const COMPUTE = 4;

function pipelineOf(device, step, module, name, access) {
  const entries = access.map((mode, binding) => ({
    binding,
    visibility: COMPUTE,
    buffer: { type: mode === "read" ? "read-only-storage" : "storage" },
  }));
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries }), step] });
  device.createComputePipeline({ label: name, layout, compute: { module, entryPoint: "main" } });
}
