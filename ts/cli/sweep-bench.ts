import { type Command, Option } from "commander";
import type { Context } from "../engine/context.ts";
import { drawSweep, type Model, SWEEP_HEAD, type SweepRow, sweep, sweepCsv, sweepLine, sweepRecord } from "../index.ts";
import { createContext, loadWithProgress, modelPath } from "./load.ts";
import {
  addContextOptions,
  addModelOptions,
  addOutputOptions,
  type ContextFlags,
  contextOptions,
  type ModelFlags,
  type OutputFlags,
} from "./options.ts";
import { printable, type Terminal } from "./terminal.ts";
import { text, valueOption, whole } from "./values.ts";
import { checkWritable, writeResult } from "./write.ts";

interface SweepFlags extends ModelFlags, ContextFlags, OutputFlags {
  readonly predict?: number;
  readonly warmupBatch?: boolean;
  readonly csv?: string;
  readonly svg?: string;
}

export function addSweepBench(program: Command, terminal: Terminal): void {
  const command = program
    .command("sweep-bench")
    .description("both speeds over the filling of the KV cache, as llama-sweep-bench measures them");
  addModelOptions(command);
  addContextOptions(command, "what the model was trained for, at most 4096");
  command.addOption(valueOption("-n, --predict <n>", "tokens to generate a row; default: a quarter of -ub", whole(1, 2 ** 24)));
  command.addOption(new Option("--warmup-batch", "decode a whole ubatch before the first row, not only one token"));
  command.addOption(valueOption("--csv <file>", "write the table as CSV", text));
  command.addOption(valueOption("--svg <file>", "draw both speeds over N_KV", text));
  addOutputOptions(command, "print one JSON object at the end, and the table on stderr");
  command.action(() => sweepBench(command.opts<SweepFlags>(), terminal));
}

async function sweepBench(flags: SweepFlags, terminal: Terminal): Promise<void> {
  if (flags.csv !== undefined) await checkWritable("--csv", flags.csv);
  if (flags.svg !== undefined) await checkWritable("--svg", flags.svg);
  using model = await loadWithProgress(modelPath(flags.model, terminal), flags, terminal);
  // One checkpoint is all that a row needs, and each is as large as R and S. Verbose: what runs where belongs to a measurement.
  const options = { ...contextOptions(flags, model.config), checkpoints: 1 };
  using context = await createContext(model, options, { ...flags, verbose: true }, terminal);
  const settings = describeSettings(model, context, flags);
  terminal.tell(`sweep-bench: ${settingsLine(settings)}`);
  const rows: SweepRow[] = [];
  let complete = false;
  const show = flags.json ? (line: string) => terminal.tell(line.trimEnd()) : terminal.print;
  try {
    const { predict: generated, warmupBatch } = flags;
    for await (const row of sweep(model, context, { generated, warmupBatch, signal: terminal.signal })) {
      if (rows.length === 0) show(SWEEP_HEAD);
      show(sweepLine(row));
      rows.push(row);
    }
    complete = true;
  } finally {
    // Also what was done before Ctrl-C.
    if (rows.length > 0) await writeRows({ rows, complete }, model, settings, flags, terminal);
  }
}

/** Under llama-sweep-bench's names. */
function describeSettings(model: Model, { shape }: Context, { batchSize = 2048 }: SweepFlags): Readonly<Record<string, number | string>> {
  return {
    n_kv_max: shape.contextLength,
    n_batch: batchSize,
    n_ubatch: shape.max.T,
    n_gpu_layers: model.gpuLayers,
    n_threads: model.threads,
    type_k: shape.cacheTypeK.toLowerCase(),
    type_v: shape.cacheTypeV.toLowerCase(),
  };
}

const settingsLine = (settings: ReturnType<typeof describeSettings>) =>
  Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join(", ");

async function writeRows(
  { rows, complete }: { readonly rows: readonly SweepRow[]; readonly complete: boolean },
  model: Model,
  settings: ReturnType<typeof describeSettings>,
  { json, csv, svg }: SweepFlags,
  { print }: Terminal,
): Promise<void> {
  const { device } = model;
  if (json) print(`${JSON.stringify({ model: model.name, device, ...settings, complete, rows: rows.map(sweepRecord) })}\n`);
  if (csv !== undefined) await writeResult("--csv", csv, sweepCsv(rows));
  const { n_ubatch, type_k, type_v } = settings;
  const subtitle = `${device}; -ub ${n_ubatch}, -ctk ${type_k}, -ctv ${type_v}`;
  if (svg !== undefined) await writeResult("--svg", svg, drawSweep(rows, { title: printable(model.name), subtitle }));
}
