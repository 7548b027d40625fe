import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { findAdapter } from "../../ts/backends/webgpu/adapter.ts";
import { swiftShaderFolder } from "./adapter.ts";
import { compileAll } from "./compile-all.mjs";
import { allKernels, PORTABLE } from "./kernels.ts";
import { CAPS } from "./shapes.ts";

it("every kernel compiles in Dawn, with no GPU", async () => {
  const { adapter } = await findAdapter({ dawnFlags: ["backend=null"] });
  const kernels = [...allKernels(CAPS), ...allKernels(PORTABLE)];
  expect(kernels.length).toBeGreaterThan(150);
  expect(await compileAll(adapter, kernels)).toEqual([]);
});

it("every kernel compiles in Deno, in the form for devices without sub-groups and f16", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "tandem-kernels-"));
  const list = path.join(folder, "kernels.json");
  // Real adapters offer 32 KiB of workgroup memory, which chunks of gated_delta take; Dawn's null backend above has 16.
  const caps = { ...PORTABLE, limits: { ...PORTABLE.limits, maxComputeWorkgroupStorageSize: 32768 } };
  writeFileSync(list, JSON.stringify(allKernels(caps)));
  const swiftShader = swiftShaderFolder();
  const vulkan = swiftShader ? { VK_ICD_FILENAMES: path.join(swiftShader, "vk_swiftshader_icd.json"), LD_LIBRARY_PATH: swiftShader } : {};
  const script = fileURLToPath(new URL("./compile-deno.mjs", import.meta.url));
  const deno = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url));
  const { status, stdout, stderr } = spawnSync(deno, ["run", "-A", "--unstable-webgpu", script, list], {
    env: { ...process.env, ...vulkan },
    encoding: "utf8",
  });
  rmSync(folder, { recursive: true });
  if (stdout.includes("no adapter")) return console.warn("SKIPPED: Deno has no GPU adapter here: kernels were not compiled by naga");
  expect(`${stdout}${stderr}`.trim().split("\n").at(-1)).toMatch(/^compiled \d{2,}$/);
  expect(status).toBe(0);
});
