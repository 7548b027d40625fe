import { type Command, Option } from "commander";
import { wantsGpu } from "../engine/placement.ts";
import { type Bandwidth, type BenchTest, bench, type Context, type Model, measureCpuBandwidth, measureGpuBandwidth } from "../index.ts";
import { type BenchRow, benchCsv, benchHead, benchLine, benchRecord } from "./bench-text.ts";
import { UsageError } from "./errors.ts";
import { createContext, loadWithProgress, modelPath } from "./load.ts";
import {
  addBatchOptions,
  addModelOptions,
  addOutputOptions,
  type ContextFlags,
  contextOptions,
  type ModelFlags,
  machineOptions,
  type OutputFlags,
  placementOptions,
  THREADS,
  UBATCH,
} from "./options.ts";
import type { Terminal } from "./terminal.ts";
import { listOf, oneOf, valueOption, whole } from "./values.ts";

type Form = "md" | "csv" | "json";

interface BenchFlags extends Omit<ModelFlags, "threads">, Omit<ContextFlags, "ctxSize" | "ubatchSize">, OutputFlags {
  readonly nPrompt?: readonly number[];
  readonly nGen?: readonly number[];
  readonly repetitions?: number;
  readonly greedy?: boolean;
  readonly threads?: readonly number[];
  readonly ubatchSize?: readonly number[];
  readonly output?: Form;
}

const TOKENS = listOf(whole(0, 2 ** 24));

export function addBench(program: Command, terminal: Terminal): void {
  const command = program
    .command("bench")
    .description("speed of prompts and of generation, as llama-bench measures them, and how near to the roof");
  addModelOptions(command, listOf(THREADS));
  command
    .addOption(valueOption("-p, --n-prompt <n,...>", "tokens of the prompts; 0: none; default: 512", TOKENS))
    .addOption(valueOption("-n, --n-gen <n,...>", "tokens to generate; 0: none; default: 128", TOKENS))
    .addOption(valueOption("-r, --repetitions <n>", "times that each is measured; default: 5", whole(1, 2 ** 16)))
    .addOption(new Option("--greedy", "generate the likeliest token after each, as run --temp 0 does, in place of decoding random ones"));
  addBatchOptions(command, listOf(UBATCH));
  command.addOption(valueOption("-o, --output <form>", "md, csv or json; default: md", oneOf<Form>("md", "csv", "json")));
  addOutputOptions(command, "the same as -o json: an array of objects with llama-bench's names");
  command.action(() => runBench(command.opts<BenchFlags>(), terminal));
}

async function runBench(flags: BenchFlags, terminal: Terminal): Promise<void> {
  const tests = testsOf(flags);
  const path = modelPath(flags.model, terminal);
  const form = flags.json ? "json" : (flags.output ?? "md");
  const show = form === "md" ? terminal.print : (line: string) => terminal.tell(line.trimEnd());
  const rows: BenchRow[] = [];
  try {
    for await (const row of measure(path, tests, flags, terminal)) {
      if (rows.length === 0) show(benchHead());
      show(benchLine(row));
      rows.push(row);
    }
  } finally {
    // Also what was done before Ctrl-C.
    if (rows.length > 0 && form === "csv") terminal.print(benchCsv(rows));
    if (rows.length > 0 && form === "json") terminal.print(`${JSON.stringify(rows.map(benchRecord), undefined, 2)}\n`);
  }
}

function testsOf({ nPrompt = [512], nGen = [128] }: BenchFlags): BenchTest[] {
  const tests = (kind: BenchTest["kind"], counts: readonly number[]) => counts.filter((n) => n > 0).map((tokens) => ({ kind, tokens }));
  const all = [...tests("pp", nPrompt), ...tests("tg", nGen)];
  if (all.length === 0) throw new UsageError("-p, -n: wanted at least one number above 0, got none");
  return all;
}

/** Loads the model for every number of threads, and makes a context for every ubatch. */
async function* measure(path: string, tests: readonly BenchTest[], flags: BenchFlags, terminal: Terminal): AsyncGenerator<BenchRow> {
  const ubatches = flags.ubatchSize ?? [512];
  // A token more than is timed: a pipelined context begins it.
  const ctxSize = Math.max(...tests.map(({ tokens }) => tokens)) + 1;
  const gpu = await gpuBandwidth(flags);
  for (const threads of flags.threads ?? [undefined]) {
    const some = { ...flags, threads, ctxSize, ubatchSize: Math.max(...ubatches) };
    using model = await loadWithProgress(path, some, terminal);
    const bandwidth = { wasm: (await measureCpuBandwidth({ threads })).bytesPerSecond, ...gpu };
    for (const ubatchSize of ubatches) {
      const options = { ...contextOptions({ ...some, ubatchSize }, model.config), checkpoints: 0 };
      using context = await createContext(model, options, { ...some, verbose: true }, terminal);
      const activeBytes = [...context.activeBytes().values()].reduce((sum, bytes) => sum + bytes, 0);
      terminal.tell(describeRoof(model, context, bandwidth, activeBytes));
      const { repetitions, greedy, batchSize: batch = 2048 } = flags;
      for await (const result of bench(model, context, { tests, repetitions, greedy, bandwidth, signal: terminal.signal }))
        yield { path, model, context, batch, bandwidth, activeBytes, result };
    }
  }
}

async function gpuBandwidth(flags: BenchFlags): Promise<Bandwidth> {
  if (!wantsGpu(placementOptions(flags))) return {};
  const { gpu } = machineOptions({ ...flags, threads: undefined });
  return { webgpu: (await measureGpuBandwidth(gpu)).bytesPerSecond };
}

function describeRoof(model: Model, context: Context, { wasm, webgpu }: Bandwidth, activeBytes: number): string {
  const rate = (name: string, bytesPerSecond?: number) =>
    bytesPerSecond ? [`${name} streams ${(bytesPerSecond / 1e9).toFixed(1)} GB/s`] : [];
  const token = `a token reads ${(activeBytes / 1e6).toFixed(1)} MB of ${(model.weightBytes / 1e6).toFixed(1)} MB of weights`;
  const cpu = `CPU (${model.threads} thread${model.threads === 1 ? "" : "s"})`;
  return [`bench: -ub ${context.shape.max.T}`, token, ...rate(cpu, wasm), ...rate("GPU", webgpu)].join(", ");
}
