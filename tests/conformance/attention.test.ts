import { afterAll, describe, expect, it } from "vitest";
import { detectWasmFeatures } from "../../ts/backends/wasm/features.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { attentionBits, attentionInPieces } from "./attention_bits.ts";

const builds = detectWasmFeatures().relaxedSimd ? (["simd", "relaxed"] as const) : (["simd"] as const);
const backends = await Promise.all(builds.map((build) => WasmBackend.create({ build, threads: 2 })));
afterAll(() => backends.forEach((backend) => void backend.close()));

describe.each(backends.map((backend, i) => [builds[i], backend] as const))("attention over several chunks, %s", (_, backend) => {
  it.each(attentionBits)("cache %s, %i heads a kv head, D %i: the same bits in one ubatch and token by token", async (...sizes) => {
    const [whole, parts] = await attentionInPieces(backend, ...sizes);
    expect(Buffer.from(parts).equals(whole)).toBe(true);
  });
});
