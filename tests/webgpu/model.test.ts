import { afterAll, describe, expect, it } from "vitest";
import type { Backend, Split } from "../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import type { ContextOptions } from "../../ts/engine/context.ts";
import type { Graph } from "../../ts/graph/graph.ts";
import { contextOn, tinyModel } from "../models/tiny.ts";
import { testBackend } from "./adapter.ts";

const backend = await testBackend();
afterAll(() => backend?.close());

const TOKENS = Array.from({ length: 23 }, (_, i) => (i * 89 + 7) % 300);

/** Up to 8 tokens matmuls take no tiles: those compile for seconds on SwiftShader, one for each shape. */
const SMALL = { ubatch: 8 };

/** The same backend, told which values must stay: the others it may fuse away. */
function fusing(inner: Backend): Backend {
  const kept = ({ nodes }: Split) =>
    new Set([...(Object.values(nodes[0]!.inputs)[0]!.graph as Graph).outputs.values()].map((tensor) => tensor.storage));
  return new Proxy(inner, {
    get(target, property) {
      if (property === "prepare") return (split: Split) => target.prepare({ ...split, keep: kept(split) });
      const value = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Logits of every token, [T][V]: the prompt at once, then the rest token by token. */
async function logitsOn(on: Backend, bytes: Uint8Array, prompt: number, options: ContextOptions = {}): Promise<Float32Array[]> {
  const { context } = await contextOn(on, bytes, { ...SMALL, ...options });
  using held = context;
  const rows = await held.decode({ tokens: TOKENS.slice(0, prompt), logits: "all" });
  for (const token of TOKENS.slice(prompt)) rows.push(...(await held.decode({ tokens: [token] })));
  return rows;
}

function difference(got: readonly Float32Array[], want: readonly Float32Array[]): number {
  let [worst, squares] = [0, 0];
  want.forEach((row, t) => {
    row.forEach((value, i) => {
      squares += value * value;
      const apart = Math.abs(got[t]![i]! - value);
      if (!(apart <= worst)) worst = apart;
    });
  });
  return worst / Math.sqrt(squares / (want.length * want[0]!.length));
}

describe.skipIf(!backend)("models on the GPU", () => {
  it.each(["qwen3next", "qwen35"] as const)("%s gives the reference's logits, fused and not", async (architecture) => {
    const bytes = await tinyModel({ architecture, seed: 3 });
    const want = await logitsOn(new ReferenceBackend(), bytes, 20);
    expect(difference(await logitsOn(backend!, bytes, 20), want), "one kernel a node").toBeLessThan(1e-3);
    const plain = backend!.counters.dispatches;
    expect(difference(await logitsOn(fusing(backend!), bytes, 20), want), "fused").toBeLessThan(1e-3);
    expect(backend!.counters.dispatches).toBeLessThan(0.8 * plain);
  });
});
