import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { WebGpuBackend, type WebGpuOptions } from "../../ts/backends/webgpu/webgpu.ts";

/** A GPU for machines without one: SwiftShader, and a Vulkan loader for Dawn to find it with, both out of @sparticuz/chromium. */

const archive = fileURLToPath(new URL("../../node_modules/@sparticuz/chromium/bin/swiftshader.tar.br", import.meta.url));
/** Carries the package's version: another one unpacks anew. */
const cache = path.join(os.tmpdir(), "tandem-swiftshader-143");
const loader = "libvulkan.so.1";

/** Files of a tar archive: 512-byte headers with name and size in octal, contents padded to 512. */
function* untar(bytes: Buffer): Generator<{ name: string; content: Buffer }> {
  for (let at = 0; at + 512 <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 100).replace(/\0.*$/, "");
    if (!name) return;
    const size = Number.parseInt(bytes.toString("latin1", at + 124, at + 136), 8);
    yield { name, content: bytes.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** Where SwiftShader lies, unpacked if need be. Undefined where the package or the platform lacks it. */
export function swiftShaderFolder(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  if (existsSync(path.join(cache, loader))) return cache;
  if (!existsSync(archive)) return undefined;
  const fresh = mkdtempSync(`${cache}-`);
  for (const { name, content } of untar(brotliDecompressSync(readFileSync(archive))))
    writeFileSync(path.join(fresh, path.basename(name)), content);
  try {
    mkdirSync(path.dirname(cache), { recursive: true });
    renameSync(fresh, cache);
  } catch {
    rmSync(fresh, { recursive: true, force: true }); // another process was faster
  }
  return cache;
}

let loaded = false;

/** Makes SwiftShader the Vulkan of this process. dlopen throws, for it is no Node addon, and the library stays loaded. */
function loadSwiftShader(): void {
  const folder = loaded ? undefined : swiftShaderFolder();
  if (!folder) return;
  loaded = true;
  process.env.VK_ICD_FILENAMES = path.join(folder, "vk_swiftshader_icd.json");
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES;
  const { RTLD_NOW, RTLD_GLOBAL } = os.constants.dlopen;
  const RTLD_NODELETE = 0x1000;
  try {
    process.dlopen({ exports: {} }, path.join(folder, loader), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch {}
}

/**
 * A backend on SwiftShader; TANDEM_GPU=real takes the machine's own GPU, with Dawn's options from DAWN_FLAGS as the command takes them.
 * Undefined, and loud about it, where there is no adapter.
 */
export async function testBackend(options: WebGpuOptions = {}): Promise<WebGpuBackend | undefined> {
  const real = process.env.TANDEM_GPU === "real";
  if (!real) loadSwiftShader();
  const dawnFlags = real ? (process.env.DAWN_FLAGS ?? "").split(";").filter(Boolean) : [];
  try {
    return await WebGpuBackend.create({ dawnFlags, ...options });
  } catch (error) {
    console.warn(`SKIPPED: no GPU tests, not even on SwiftShader: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}
