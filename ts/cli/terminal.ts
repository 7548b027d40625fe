import { Interrupted, ReaderGone } from "./errors.ts";

/** What every command needs of the world around it. */
export interface Terminal {
  /** Aborts when the user presses Ctrl-C, with Interrupted, and when nobody reads stdout any more, with ReaderGone. */
  readonly signal: AbortSignal;
  /** To stdout: results only, so that a command can stand in a pipe. */
  print(text: string): void;
  /** A line to stderr. */
  tell(line: string): void;
}

let opened: Terminal | undefined;

/** The process has one: every call gives the same. */
export function openTerminal(): Terminal {
  opened ??= listen();
  return opened;
}

function listen(): Terminal {
  const stop = new AbortController();
  // Once: a second Ctrl-C finds the system's own handling and ends the process at once.
  process.once("SIGINT", () => stop.abort(new Interrupted("interrupted")));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    stop.abort(new ReaderGone("stdout was closed"));
  });
  return {
    signal: stop.signal,
    print: (text) => void process.stdout.write(text),
    tell: (line) => void process.stderr.write(`${line}\n`),
  };
}

/** A file's own text on one line, safe for a terminal: control characters, which could move the cursor, are escaped. */
export function printable(text: string, most = Number.POSITIVE_INFINITY): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  return cut.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const short = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[character];
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** "1.50 GiB", "22.1 MiB". */
export function showBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}
