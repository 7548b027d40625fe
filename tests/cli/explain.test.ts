import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { drawSchedule } from "../../ts/schedule/picture.ts";
import type { ScheduleReport } from "../../ts/schedule/report.ts";
import { embeddedModel } from "../models/trained.ts";
import { tandem } from "./tandem.ts";
import { unclosed } from "./xml.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-explain-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Report = ScheduleReport & {
  readonly gpuLayers: number;
  readonly L: number;
  readonly context: object;
  readonly nodes?: readonly { id: number; op: string; name: string; backend: string; split: number }[];
};

function explain(...flags: string[]): Report {
  const { stdout, stderr, status } = tandem(["explain", "-m", embeddedModel, "--json", ...flags]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout) as Report;
}

/** The file's own count, as `inspect` has it. */
function inspected(...flags: string[]) {
  return JSON.parse(tandem(["inspect", embeddedModel, "--json", ...flags]).stdout) as {
    memory: { weights: number; kvCache: number; recurrentState: number; compute: number; sum: number };
    graphNodes: number;
  };
}

describe("tandem explain", () => {
  it("on the CPU alone: one split, nothing crosses, and the memory that inspect counts", () => {
    const report = explain("-c", "1000");
    const { memory, graphNodes } = inspected("-c", "1000");
    expect(report).toMatchObject({ graphNodes, graphSplits: 1, backends: ["wasm"], crossings: [], gpuLayers: 0, L: 8 });
    expect(report.memory).toEqual([expect.objectContaining({ backend: "wasm" })]);
    const { weights, kvCache, recurrentState, compute, sum } = report.memory[0]!;
    expect({ weights, kvCache, recurrentState, compute, sum }).toMatchObject({
      ...{ weights: memory.weights, kvCache: memory.kvCache, recurrentState: memory.recurrentState },
      ...{ compute: memory.compute, sum: memory.sum },
    });
  });

  it("half on the GPU: three splits, the residual stream crosses twice, memory is shared out", () => {
    const report = explain("-ngl", "4", "-ub", "64");
    expect(report.splits.map(({ backend, layers }) => [backend, layers])).toEqual([
      ["wasm", [0, 3]],
      ["webgpu", [4, 7]],
      ["wasm", null],
    ]);
    expect(report.splits.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(report.graphNodes);
    expect(report.crossings).toHaveLength(2);
    // f32 of 256 a token
    expect(report.crossings[0]).toEqual({
      ...{ tensor: "l_out-3", from: "wasm", to: "webgpu", madeInSplit: 0, beforeSplit: 1 },
      ...{ decodeBytes: 1024, prefillBytes: 64 * 1024 },
    });
    expect(report.crossings[1]).toMatchObject({ from: "webgpu", to: "wasm", madeInSplit: 1, beforeSplit: 2, decodeBytes: 1024 });
    expect(report.prefill.tokens).toBe(64);
    expect(report.decode).toEqual({ tokens: 1, outputs: 1, crossings: 2, bytes: 2048 });
    const { memory } = inspected("-ub", "64");
    for (const key of ["weights", "kvCache", "recurrentState"] as const) {
      expect(report.memory[0]![key] + report.memory[1]![key]).toBe(memory[key]);
      expect(report.memory[1]![key]).toBeGreaterThan(0);
    }
    expect(report.costModel.decodeSeconds).toBeGreaterThan(0);
  });

  it("places experts and named tensors", () => {
    const experts = explain("-ngl", "99", "-ncmoe", "2");
    expect(experts).toMatchObject({ graphSplits: 5, gpuLayers: 8 });
    const same = explain("-ngl", "all", "-ot", "blk\\.[01]\\.ffn_.*_exps=CPU");
    expect(same.splits).toEqual(experts.splits);
    expect(explain("-ngl", "99", "-cmoe").graphSplits).toBe(17);
    expect(explain("-ngl", "0", "-ot", "^blk\\.0\\.=GPU").splits.map(({ backend }) => backend)).toEqual(["wasm", "webgpu", "wasm"]);
  });

  it("-ngl auto fills the memory that it is given", () => {
    const { gpuLayers, memory } = explain("-ngl", "auto", "--gpu-memory", "12");
    expect(gpuLayers).toBeGreaterThan(0);
    expect(gpuLayers).toBeLessThan(8);
    const { weights, kvCache, recurrentState } = memory[1]!;
    expect(weights + kvCache + recurrentState).toBeLessThanOrEqual(12 * 2 ** 20);
    expect(explain("-ngl", "auto", "--gpu-memory", "4000").graphSplits).toBe(1);
  });

  it("prints for a person, in the field's form", () => {
    const { stdout } = tandem(["explain", embeddedModel, "-ngl", "4", "--nodes"]);
    expect(stdout).toMatch(/^Qwen3-Next mini .*: qwen3next, 4 of 8 layers on the GPU$/m);
    expect(stdout).toMatch(/^graph nodes = \d+, graph splits = 3$/m);
    expect(stdout).toMatch(/prefill \(T = 512\): 2 crossings, 1\.00 MiB/);
    expect(stdout).toMatch(/decode \(T = 1\): 2 crossings, 2\.00 KiB/);
    expect(stdout).toMatch(/cost model's estimate of a decoded token: [\d.]+ ms/);
    expect(stdout).toMatch(/^ +1 {2}webgpu +\d+ +\d+ attn_norm-4 +… +\d+ l_out-7$/m);
    expect(stdout).toMatch(/^ +1 {2}l_out-3 +wasm +→ {2}webgpu +1\.00 KiB +512\.0 KiB$/m);
    expect(stdout).toMatch(/^ {2}webgpu( +[\d.]+ [KM]iB){5}$/m);
    const nodes = stdout.slice(stdout.indexOf("Nodes")).trimEnd().split("\n").slice(1);
    const report = explain("-ngl", "4", "--nodes");
    expect(nodes).toHaveLength(report.graphNodes);
    expect(nodes[0]).toMatch(/^ {2}wasm +0 +0 {2}get_rows +token_embd\.weight .* -> embedding \[T, 256\]$/);
    expect(report.nodes).toHaveLength(report.graphNodes);
    expect(report.nodes![0]).toEqual({ id: 0, op: "get_rows", name: "embedding", backend: "wasm", split: 0 });
  });

  it("draws: a box a split, an arrow a crossing, well-formed and for light and dark", () => {
    const path = join(folder, "split.svg");
    const report = explain("-ngl", "99", "-ncmoe", "2", "--svg", path);
    const svg = readFileSync(path, "utf8");
    expect(svg.match(/class="box /g)).toHaveLength(report.graphSplits);
    expect(svg.match(/class="arrow"/g)).toHaveLength(report.crossings.length);
    for (const { tensor } of report.crossings) expect(svg).toContain(`>${tensor}: `);
    for (let layer = 0; layer < 8; layer++) expect(svg).toContain(`>layer ${layer}<`);
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg).not.toMatch(/href|src=|url\((?!#)/);
    expect(unclosed(svg)).toEqual([]);
    expect(tandem(["explain", embeddedModel, "--svg", join(folder, "no", "such.svg")]).stderr).toMatch(
      /^tandem: --svg: .* cannot be written/,
    );
  });

  it("a picture shows a file's names as text", () => {
    const report = explain("-ngl", "4");
    const svg = drawSchedule(report, '<script>"&\x1b', String);
    expect(svg).not.toContain("<script>");
    expect(svg).not.toContain("\x1b");
    expect(unclosed(svg)).toEqual([]);
  });

  it.each([
    [["-ngl", "4", "--max-splits", "1"], 1, /^tandem: this placement needs at least 3 splits, maxSplits is 1: raise maxSplits to 3, or /],
    [["-ngl", "8", "--gpu-memory", "5"], 1, /^tandem: gpuLayers 8: \d+ MiB of GPU memory are wanted, 5 MiB are there/],
    [["-ngl", "auto"], 2, /^tandem: --gpu-memory: wanted the MiB that -ngl auto may fill/],
    [["-ngl", "-3"], 2, /^tandem: -ngl\/--gpu-layers: wanted a whole number from 0, auto or all, got "-3"/],
    [["-ot", "exps"], 2, /^tandem: -ot\/--override-tensor: wanted a regular expression/],
    [[embeddedModel], 2, /^tandem: wanted one model, got a word and -m/],
  ])("%j: one line, exit code %i", (flags, code, message) => {
    const { stdout, stderr, status } = tandem(["explain", "-m", embeddedModel, ...flags]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(status).toBe(code);
  });
});
