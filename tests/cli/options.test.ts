import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../ts/cli/errors.ts";
import {
  addContextOptions,
  addModelOptions,
  addSamplerOptions,
  type ContextFlags,
  contextOptions,
  type ModelFlags,
  machineOptions,
  placementOptions,
  type SamplerFlags,
  samplerOptions,
} from "../../ts/cli/options.ts";
import { wantsGpu } from "../../ts/engine/placement.ts";

function parse(...args: string[]) {
  const command = new Command().exitOverride().configureOutput({ outputError: () => undefined });
  addSamplerOptions(addContextOptions(addModelOptions(command), "4096"));
  return command.parse(args, { from: "user" }).opts<ModelFlags & ContextFlags & SamplerFlags>();
}

describe("flags", () => {
  it("become the engine's context options", () => {
    const flags = parse("-c", "1024", "-b", "256", "--ubatch-size", "64", "--cache-type-k", "q8_0", "--cache-type-v", "f32");
    const wanted = { contextLength: 1024, batch: 256, ubatch: 64, cacheTypeK: "q8_0", cacheTypeV: "f32" };
    expect(contextOptions(flags, { trainedContext: 9 })).toEqual(wanted);
  });

  it("-c 0 is the trained context, none the default", () => {
    expect(contextOptions(parse("-c", "0"), { trainedContext: 32768 }, 512).contextLength).toBe(32768);
    expect(contextOptions(parse(), { trainedContext: 32768 }, 512).contextLength).toBe(512);
    expect(contextOptions(parse(), { trainedContext: 32768 }).contextLength).toBeUndefined();
  });

  it("become a placement", () => {
    const flags = parse("--gpu-layers", "12", "--n-cpu-moe", "3", "--max-splits", "9", "--gpu-memory", "2048");
    const wanted = { gpuLayers: 12, cpuExperts: 3, tensorOverrides: undefined, maxSplits: 9, gpuMemory: 2 ** 31 };
    expect(placementOptions(flags)).toEqual(wanted);
    expect(placementOptions(parse("--gpu-layers", "auto", "--cpu-moe", "--n-cpu-moe", "3"))).toMatchObject({
      gpuLayers: "auto",
      cpuExperts: true,
    });
    expect(placementOptions(parse("--gpu-layers", "all")).gpuLayers).toBeGreaterThan(1000);
    expect(wantsGpu(placementOptions(parse()))).toBe(false);
  });

  it("--expert-cache is a size", () => {
    const bytes = (size: string) => machineOptions(parse("--expert-cache", size), "").expertCache;
    expect(["2G", "1.5GiB", "512M", "64kb", "4096"].map(bytes)).toEqual([2 ** 31, 1.5 * 2 ** 30, 2 ** 29, 2 ** 16, 4096]);
    for (const size of ["0", "G", "2X", "-1G", "1e9", "9999999T"]) expect(() => bytes(size)).toThrow(/wanted a size as 2G.*, got "/);
  });

  it("-ot takes several patterns, with commas and equals signs of their own", () => {
    const flags = parse("--override-tensor", "blk\\.\\d{1,2}\\.ffn=CPU,a=b=gpu", "--override-tensor", "exps=Cpu");
    expect(placementOptions(flags).tensorOverrides).toEqual([
      { pattern: "blk\\.\\d{1,2}\\.ffn", device: "cpu" },
      { pattern: "a=b", device: "gpu" },
      { pattern: "exps", device: "cpu" },
    ]);
    expect(wantsGpu(placementOptions(flags))).toBe(true);
  });

  it("say what of the GPU is used", () => {
    const all = { dawnFlags: [], f16: true, subgroups: true, subgroupMatrix: true };
    expect(machineOptions(parse("-t", "3"), undefined)).toMatchObject({ threads: 3, gpu: all });
    expect(machineOptions(parse("--no-f16", "--no-subgroup-matrix"), "a=1; b=2;")).toMatchObject({
      gpu: { dawnFlags: ["a=1", "b=2"], f16: false, subgroups: true, subgroupMatrix: false },
    });
    expect(machineOptions(parse("--no-subgroups", "--gpu-flags", "c"), "a=1")).toMatchObject({
      gpu: { dawnFlags: ["c"], subgroups: false },
    });
  });

  it("become sampler options", () => {
    const given =
      "--temp 0.5 --top-k 7 --top-p 0.9 --min-p 0.1 --typical 0.8 --repeat-penalty 1.1 --repeat-last-n -1 --presence-penalty -0.5";
    const flags = parse(...given.split(" "), "--frequency-penalty", "0.25", "-s", "42", "--logit-bias", "3+1.5", "--logit-bias", "4-inf");
    expect(samplerOptions(flags, 10)).toEqual({
      ...{ temperature: 0.5, topK: 7, topP: 0.9, minP: 0.1, typicalP: 0.8, repeatPenalty: 1.1, repeatLastN: -1 },
      ...{ presencePenalty: -0.5, frequencyPenalty: 0.25, seed: 42 },
      logitBias: new Map([
        [3, 1.5],
        [4, Number.NEGATIVE_INFINITY],
      ]),
    });
    expect(samplerOptions(parse("-s", "-1"), 10).seed).toBeUndefined();
  });

  it("name themselves, what was wanted and what came", () => {
    expect(() => parse("--ubatch-size", "0")).toThrow(new UsageError('-ub/--ubatch-size: wanted a whole number from 1 to 65536, got "0"'));
    expect(() => parse("-c", "1e3")).toThrow(/-c\/--ctx-size: wanted a whole number .* got "1e3"/);
    expect(() => parse("--temp", "")).toThrow(/--temp.*wanted a number, got ""/);
    expect(() => parse("--top-p", "1.5")).toThrow(/wanted a number from 0 to 1, got "1.5"/);
    expect(() => parse("--cache-type-k", "q4_0")).toThrow(/wanted f32, f16 or q8_0, got "q4_0"/);
    expect(() => parse("--logit-bias", "15")).toThrow(/wanted a token id, \+ or -/);
    expect(() => parse("-t", "0")).toThrow(UsageError);
    expect(() => parse("--gpu-layers", "some")).toThrow('-ngl/--gpu-layers: wanted a whole number from 0, auto or all, got "some"');
    expect(() => parse("--max-splits", "0")).toThrow(/--max-splits: wanted a whole number from 1 to .* got "0"/);
    expect(() => parse("--gpu-memory", "1.5")).toThrow(/--gpu-memory: wanted a whole number/);
    for (const bad of ["exps", "=CPU", "exps=TPU", "exps=CPU,x", "(=CPU", ""])
      expect(() => parse("--override-tensor", bad), bad).toThrow(`-ot/--override-tensor: wanted a regular expression`);
    expect(() => samplerOptions(parse("--logit-bias", "10+1"), 10)).toThrow(/wanted a token id from 0 to 9, got 10/);
  });
});
