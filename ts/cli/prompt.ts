import { readFile } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";
import { InvalidArgumentError } from "../errors.ts";
import { UsageError } from "./errors.ts";

export interface PromptFlags {
  readonly prompt?: string;
  readonly file?: string;
}

/** The prompt from wherever the user put it: words, -p, -f, or a pipe. @throws UsageError when there is none, or more than one. */
export async function readPrompt(words: readonly string[], flags: PromptFlags, signal: AbortSignal): Promise<string> {
  const given = [words.length > 0 && "words", flags.prompt !== undefined && "-p", flags.file !== undefined && "-f"].filter(Boolean);
  if (given.length > 1) throw new UsageError(`wanted one prompt, got ${given.join(" and ")}: leave all but one away`);
  const prompt = await readGiven(words, flags, signal);
  if (prompt.trim() === "") throw new UsageError("wanted a prompt, got an empty text");
  return prompt;
}

async function readGiven(words: readonly string[], { prompt, file }: PromptFlags, signal: AbortSignal): Promise<string> {
  if (prompt !== undefined) return prompt;
  if (words.length > 0) return words.join(" ");
  if (file !== undefined) return withoutLineEnd(await readText(file));
  if (process.stdin.isTTY)
    throw new UsageError('wanted a prompt: as words, with -p TEXT or -f FILE, or piped in, as in tandem run "What is nginx?"');
  return withoutLineEnd(
    await text(addAbortSignal(signal, process.stdin)).catch((error) => Promise.reject(signal.aborted ? signal.reason : error)),
  );
}

/** Editors and `echo` end a file with one line end that is not meant. */
function withoutLineEnd(content: string): string {
  return content.replace(/\r?\n$/, "");
}

/** @throws InvalidArgumentError when the file cannot be read. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new InvalidArgumentError(`${path}: cannot be read (${(cause as Error).message}): check the path and its permissions`, { cause });
  }
}
