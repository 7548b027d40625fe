import { it } from "vitest";
import { RoundedReference as ReferenceBackend } from "./rounded-reference.ts";
import { WasmBackend } from "../../ts/backends/wasm/wasm.ts";
import { contextOn, tinyModel } from "./tiny.ts";
const TOKENS = Array.from({ length: 23 }, (_, i) => (i * 89 + 7) % 300);
const rms = (a: ArrayLike<number>) => Math.sqrt(Array.from(a).reduce((s, v) => s + v * v, 0) / a.length);
const rel = (a: Float32Array, b: Float32Array) => rms(a.map((v, i) => v - b[i]!)) / rms(b);
it("x", async () => {
  for (const architecture of ["qwen35", "qwen3next", "qwen35moe"] as const)
  for (const quant of ["F32", "Q8_0", "Q4_K", "Q4_0"] as const) {
    const bytes = await tinyModel({ architecture, quant, seed: 5 });
    const out: Float32Array[][] = [];
    const res: Float32Array[][] = [];
    for (const b of [new ReferenceBackend(), await WasmBackend.create({ threads: 1 })]) {
      const { context, parts } = await contextOn(b, bytes, { keepResiduals: true });
      out.push(await context.decode({ tokens: TOKENS, logits: "all" }));
      const r: Float32Array[] = [];
      for (let i = 0; i <= parts.config.L; i++) r.push(await context.readResidual(i));
      res.push(r);
      b.close();
    }
    console.log(architecture, quant, "residual rms", res[0]!.map((r) => rms(r).toFixed(3)).join(" "), "rel", res[0]!.map((r, i) => rel(res[1]![i]!, r).toExponential(1)).join(" "));
    console.log("rows", out[0]!.map((r, i) => rel(out[1]![i]!, r).toFixed(3)).join(" "));
  }
});
