import { writeFile } from "node:fs/promises";
import { Option } from "commander";
import { type Context, chromeTrace, InvalidArgumentError, printProfile } from "../index.ts";
import { UsageError } from "./errors.ts";
import type { Terminal } from "./terminal.ts";

export interface ProfileFlags {
  /** A file's name, or true where none was given. */
  readonly profile?: string | true;
}

/** `--profile [file.json]`. The ending tells a file from the prompt's first word. */
export function profileOption(): Option {
  const option = new Option(
    "--profile [file.json]",
    "print on stderr where the time went, by op and kind of layer; a file takes a Chrome trace",
  );
  return option.argParser((file: string) => {
    if (!/\.json$/i.test(file)) throw new UsageError(`--profile: wanted a file name that ends in .json, or none, got "${file}"`);
    return file;
  });
}

/** Prints and writes what `--profile` asked for. @throws InvalidArgumentError for a file that cannot be written. */
export async function showProfile(context: Context, { profile: wanted }: ProfileFlags, { tell }: Terminal): Promise<void> {
  if (wanted === undefined) return;
  const profile = await context.profile();
  tell(printProfile(profile));
  if (wanted === true) return;
  try {
    await writeFile(wanted, chromeTrace(profile));
  } catch (cause) {
    throw new InvalidArgumentError(`--profile: ${wanted} cannot be written: ${(cause as Error).message}`, { cause });
  }
  tell(`trace: ${wanted}, for chrome://tracing or https://ui.perfetto.dev`);
}
