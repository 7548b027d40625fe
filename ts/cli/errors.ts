import { CommanderError } from "commander";
import { TandemError } from "../errors.ts";

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command line is wrong: the message names the flag, what was wanted and what came. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The user pressed Ctrl-C: the reason of the abort signal. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Whoever read our output has gone (`| head`): nothing is wrong, and nobody is there to be told. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

export interface Failure {
  readonly exitCode: number;
  /** Without a line end; absent where there is nothing to say. */
  readonly message?: string;
}

/** What to tell the user about an error, and how to exit. */
export function describeFailure(error: unknown, verbose: boolean): Failure {
  if (error instanceof ReaderGone) return { exitCode: EXIT.ok };
  if (error instanceof Interrupted) return { exitCode: EXIT.interrupted, message: "interrupted" };
  if (error instanceof CommanderError) return describeCommander(error);
  if (error instanceof UsageError) return { exitCode: EXIT.usage, message: error.message };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (verbose) return { exitCode: EXIT.failed, message: withCauses(stack, error) };
  if (error instanceof TandemError) return { exitCode: EXIT.failed, message: oneLine(error.message) };
  const short = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { exitCode: EXIT.failed, message: `${oneLine(short)} (this is a bug in Tandem or its surroundings: --verbose shows where)` };
}

function describeCommander(error: CommanderError): Failure {
  if (error.exitCode === 0) return { exitCode: EXIT.ok }; // --help and --version have printed already
  // "tandem" alone: commander has printed the help in place of an error.
  if (error.code === "commander.help") return { exitCode: EXIT.usage };
  return { exitCode: EXIT.usage, message: `${oneLine(error.message.replace(/^error: /, ""))}; --help lists what there is` };
}

function withCauses(stack: string, error: unknown): string {
  let text = stack;
  for (let cause = error instanceof Error ? error.cause : undefined; cause instanceof Error; cause = cause.cause) {
    text += `\n  caused by ${cause.stack ?? cause.message}`;
  }
  return text;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}
