import { type FileHandle, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Argument, Command } from "commander";
import { InvalidArgumentError } from "../errors.ts";
import { type PresetName, presets, type Quant, quants, type SynthOptions, synthesize, synthSize } from "../synth/index.ts";
import { UsageError } from "./errors.ts";
import { Progress } from "./progress.ts";
import { openTerminal, showBytes } from "./terminal.ts";
import { oneOf, text, valueOption, whole } from "./values.ts";

interface SynthFlags {
  readonly output?: string;
  readonly quant: Quant;
  readonly layers?: number;
  readonly experts?: number;
  readonly vocab?: number;
  readonly seed: number;
  readonly layout?: "split" | "packed";
  readonly force?: boolean;
}

/** `tandem synth PRESET -o FILE`: a GGUF of a real model's shapes with random weights. */
export function synthCommand(): Command {
  const names = Object.keys(presets) as PresetName[];
  const width = Math.max(...names.map((name) => name.length));
  return new Command("synth")
    .description("write a GGUF with random weights in a real model's shapes: for tests and measurements")
    .addArgument(new Argument("<preset>", "whose shapes: see the list below").choices(names))
    .addOption(valueOption("-o, --output <file>", "the file to write", text))
    .addOption(valueOption("--quant <format>", "format of the weights", oneOf(...quants)).default("Q4_K_M"))
    .addOption(valueOption("--layers <n>", "fewer layers", whole(1, 1024)))
    .addOption(valueOption("--experts <n>", "fewer experts", whole(1, 4096)))
    .addOption(valueOption("--vocab <n>", "another size of vocabulary", whole(259, 2 ** 20)))
    .addOption(valueOption("--seed <n>", "of the random weights: the same seed gives the same file", whole(0, 2 ** 32 - 1)).default(0))
    .addOption(valueOption("--layout <name>", "of qwen3next's delta net: split (attn_qkv) or packed (ssm_in)", oneOf("split", "packed")))
    .option("--force", "overwrite the file if it is there")
    .addHelpText("after", `\nPresets:\n${names.map((name) => `  ${name.padEnd(width)}  ${presets[name].about}`).join("\n")}`)
    .action((preset: PresetName, flags: SynthFlags) => run(preset, flags));
}

async function run(preset: PresetName, { output, force, ...flags }: SynthFlags): Promise<void> {
  if (!output) throw new UsageError("synth: wanted a file to write, got none: name it with -o/--output");
  const terminal = openTerminal();
  const progress = new Progress(process.stderr, "writing");
  const options: SynthOptions = {
    preset,
    ...flags,
    signal: terminal.signal,
    onProgress: ({ writtenBytes, totalBytes, tensor }) => progress.update(writtenBytes, totalBytes, showBytes(writtenBytes), tensor),
  };
  const size = synthSize(options);
  await checkPlace(output, size.bytes, force ?? false);
  const report = await writeWhole(output, (write) => synthesize(options, write)).finally(() => progress.clear());
  const speed = `${report.seconds.toFixed(1)} s, ${Math.round(report.bytes / report.seconds / 1e6)} MB/s`;
  const parameters = `${(report.parameters / 1e9).toFixed(3)} G parameters`;
  terminal.tell(`${output}: ${showBytes(report.bytes)}, ${parameters} in ${report.tensors} tensors, ${speed}`);
}

/** Refuses a file that is there, and a disk too full for it. */
async function checkPlace(path: string, bytes: number, force: boolean): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile()) throw new InvalidArgumentError(`${path}: wanted a file to write, got a folder or a device: name another`);
  if (found && !force) throw new InvalidArgumentError(`${path}: is there already: name another file, or overwrite it with --force`);
  const folder = dirname(resolve(path));
  const disk = await statfs(folder).catch((cause: Error) => {
    throw new InvalidArgumentError(`${path}: the folder ${folder} cannot be used (${cause.message}): make it first`, { cause });
  });
  const freeBytes = disk.bavail * disk.bsize;
  if (bytes <= freeBytes) return;
  const smaller = "make room, or write a smaller file with --layers, --experts, --vocab or another --quant";
  throw new InvalidArgumentError(`${path}: wanted ${showBytes(bytes)}, the disk has ${showBytes(freeBytes)} free: ${smaller}`);
}

/** Writes beside the file and renames at the end: a run that was stopped leaves neither half a model nor the old one lost. */
async function writeWhole<T>(path: string, work: (write: (bytes: Uint8Array) => Promise<void>) => Promise<T>): Promise<T> {
  const part = `${path}.part`;
  const file = await open(part, "w").catch((cause: Error) => {
    throw new InvalidArgumentError(`${part}: cannot be written (${cause.message}): check the folder's permissions`, { cause });
  });
  try {
    const result = await work((bytes) => writeAll(file, bytes, part));
    await file.close();
    await rename(part, path);
    return result;
  } catch (error) {
    await file.close();
    await rm(part, { force: true });
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, name: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  } catch (cause) {
    throw new InvalidArgumentError(`${name}: cannot be written (${(cause as Error).message}): check the disk`, { cause });
  }
}
