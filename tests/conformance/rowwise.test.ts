import { describe, expect, it } from "vitest";
import { kernels } from "../../build/kernels.js";
import { COMMAND_BYTES, type Command, encode } from "../../ts/backends/wasm/program.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import { scalarsOf } from "../../ts/graph/op.ts";
import * as ops from "../../ts/graph/ops/index.ts";
import type { Tensor } from "../../ts/graph/tensor.ts";
import { makeProblem } from "./harness.ts";
import { builds, Kernels } from "./kernels.ts";

const dims = { T: 1, O: 1 };
const UNTOUCHED = 0xa5;
/** In models a norm's weight is one too. */
const isWeight = ({ kind, name }: Tensor) => kind === "weight" || name === "weight";

describe.each(builds())("%s: a unit of a rowwise op touches its own share of every argument alone", (build) => {
  const memory = new Kernels(build, 8 << 20);
  for (const op of ops.allOps.filter(({ rowwise }) => rowwise)) {
    const apply = Object.values(ops).find((one) => "declaration" in one && one.declaration === op) as never;
    it(op.name, () => {
      let shared = 0;
      for (const sizes of op.cases) {
        const { graph, data } = makeProblem(apply, op, sizes, { weight: "F32", cache: "F32" });
        const node = graph.nodes[0]!;
        const s = scalarsOf(node, dims);
        const units = op.units(s);
        if (!op.rowwise!(s) || units === 1) continue;
        shared++;
        memory.reset();
        const tensors: Record<string, Tensor> = { ...node.inputs, ...node.outputs };
        const at = new Map(Object.values(tensors).map((tensor) => [tensor, memory.alloc(tensorBytes(tensor, dims))]));
        const scratch = memory.alloc(1 << 20);
        const bytes = (tensor: Tensor) => memory.u8(at.get(tensor)!, tensorBytes(tensor, dims));
        const share = (tensor: Tensor, unit: number) => {
          const size = tensorBytes(tensor, dims) / units;
          return [unit * size, (unit + 1) * size] as const;
        };
        const args = kernels[op.name]!.args.map(({ name }) => (tensors[name] ? at.get(tensors[name])! : (s[name] ?? 0)));
        const run = (begin: number, end: number) => {
          const kernel = memory.run[op.name]!;
          kernel(...args, ...(kernel.length > args.length + 2 ? [scratch] : []), begin, end);
        };
        for (const [tensor, content] of data) bytes(tensor).set(content);
        run(0, units);
        const results = Object.values(node.outputs);
        const whole = new Map(results.map((tensor) => [tensor, bytes(tensor).slice()]));
        for (let unit = 0; unit < units; unit++) {
          for (const [tensor, content] of data) {
            const [begin, end] = isWeight(tensor) ? [0, content.length] : share(tensor, unit);
            bytes(tensor).fill(0xff).set(content.subarray(begin, end), begin); // the rest is NaN, or an id far outside
          }
          for (const tensor of results) bytes(tensor).fill(UNTOUCHED);
          run(unit, unit + 1);
          for (const tensor of results) {
            const want = new Uint8Array(tensorBytes(tensor, dims)).fill(UNTOUCHED);
            want.set(whole.get(tensor)!.subarray(...share(tensor, unit)), share(tensor, unit)[0]);
            expect(Buffer.compare(bytes(tensor), want), `unit ${unit} of ${JSON.stringify(sizes)}`).toBe(0);
          }
        }
      }
      expect(shared, "cases with several units").toBeGreaterThan(0);
    });
  }
});

describe("a program of two commands over the same memory", () => {
  const first: Command = {
    ...{ kernel: "stream_read", args: { out: 0, x: 0 }, nodes: [], share: 1, reads: [], work: 10_000 },
    ...{ units: 8, rowwise: true, writes: [{ begin: 0, end: 480 }] },
  };
  const second: Command = { ...first, reads: [{ begin: 0, end: 480 }], writes: [] };
  /** Whether the second of two waits for the first. */
  const waits = (a: Partial<Command>, b: Partial<Command>, threads = 2) =>
    (encode(
      [
        { ...first, ...a },
        { ...second, ...b },
      ],
      threads,
    )[COMMAND_BYTES / 4 + 1]! &
      1) ===
    1;

  it("has no barrier where each thread reads what it wrote", () => {
    expect(waits({}, {})).toBe(false);
    expect(waits({}, { units: 16 })).toBe(false);
    expect(waits({}, { units: 480 }, 8)).toBe(false);
  });

  it("has one where a thread's shares differ", () => {
    expect(waits({}, { units: 3 })).toBe(true); // 4 of 8, 1 of 3
    expect(waits({ units: 4 }, { units: 12 }, 8)).toBe(true); // half a unit of 4 is none, of 12 it is one
    expect(waits({}, { reads: [{ begin: 0, end: 240 }] })).toBe(true);
  });

  it("has one where units are not rows, are drawn by ticket or done by one thread", () => {
    expect(waits({}, { rowwise: false })).toBe(true);
    expect(waits({ rowwise: false }, {})).toBe(true);
    expect(waits({}, { work: 1e6 })).toBe(true);
    expect(waits({}, { work: 10 })).toBe(true);
    expect(waits({ whole: true }, {})).toBe(true);
  });
});
