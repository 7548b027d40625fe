import { open, writeFile } from "node:fs/promises";
import { InvalidArgumentError } from "../index.ts";

/** Throws InvalidArgumentError for a file that cannot be written, which a long measurement should not find out at its end. */
export async function checkWritable(flag: string, path: string): Promise<void> {
  const file = await open(path, "a").catch((cause: Error) => refuse(flag, path, cause));
  await file.close();
}

/** Writes the file that a flag names. Throws InvalidArgumentError. */
export async function writeResult(flag: string, path: string, content: string): Promise<void> {
  await writeFile(path, content).catch((cause: Error) => refuse(flag, path, cause));
}

function refuse(flag: string, path: string, cause: Error): never {
  throw new InvalidArgumentError(`${flag}: ${path} cannot be written (${cause.message}): name another file`, { cause });
}
