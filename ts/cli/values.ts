import { Option } from "commander";
import type { PlacementOptions } from "../engine/placement.ts";
import { spellingsOf } from "./args.ts";
import { UsageError } from "./errors.ts";

/** What a flag's value must be, in words, and how it is read; `read` gives undefined for anything else. */
export interface Wanted<T> {
  readonly wanted: string;
  read(text: string, previous: T | undefined): T | undefined;
}

/** An option whose value is checked as it is read. @throws UsageError when parsed with a bad value. */
export function valueOption<T>(flags: string, description: string, { wanted, read }: Wanted<T>): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string, previous: T | undefined) => {
    const value = read(text, previous);
    if (value === undefined) throw new UsageError(`${flagNames(option)}: wanted ${wanted}, got "${text}"`);
    return value;
  });
}

/** As in "-ub/--ubatch-size". */
export function flagNames(option: Option): string {
  const names = spellingsOf(option.long ?? "").slice(0, 2);
  return [option.short, ...names].filter(Boolean).join("/");
}

export function whole(least: number, most: number, wanted = `a whole number from ${least} to ${most}`): Wanted<number> {
  return {
    wanted,
    read(text) {
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

/** One value or several with commas between them, and no blanks. */
export function listOf<T>({ wanted, read }: Wanted<T>): Wanted<readonly T[]> {
  return {
    wanted: `${wanted} (more after commas)`,
    read(given) {
      const values = given.split(",").map((part) => read(part, undefined));
      return values.every((value) => value !== undefined) ? values : undefined;
    },
  };
}

export function decimal(wanted: string, holds: (value: number) => boolean): Wanted<number> {
  return {
    wanted,
    read(text) {
      const value = text.trim() === "" ? Number.NaN : Number(text);
      return Number.isFinite(value) && holds(value) ? value : undefined;
    },
  };
}

export function oneOf<T extends string>(...choices: readonly T[]): Wanted<T> {
  return { wanted: choices.join(", ").replace(/, ([^,]*)$/, " or $1"), read: (text) => choices.find((choice) => choice === text) };
}

/** Bytes, with K, M, G or T for powers of 1024. */
export const byteCount: Wanted<number> = {
  wanted: "a size as 2G, 512M or 1.5G",
  read(given) {
    const match = /^(\d+\.?\d*|\.\d+)([KMGT]?)(?:i?B)?$/i.exec(given);
    if (!match) return undefined;
    const bytes = Math.round(Number(match[1]) * 1024 ** " KMGT".indexOf(match[2]!.toUpperCase() || " "));
    return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
  },
};

/** Any text; an empty one is a value too. */
export const text: Wanted<string> = { wanted: "a text", read: (given) => given };

/** TOKEN(+/-)BIAS, given any number of times: `15043+1` or `29905-inf`. */
export const logitBias: Wanted<ReadonlyMap<number, number>> = {
  wanted: "a token id, + or -, and a number or inf, as in 15043+1 or 29905-inf",
  read(given, previous) {
    const match = /^(\d+)([+-])(inf|\d+\.?\d*|\.\d+)$/i.exec(given);
    if (!match) return undefined;
    const size = match[3]!.toLowerCase() === "inf" ? Number.POSITIVE_INFINITY : Number(match[3]);
    return new Map([...(previous ?? []), [Number(match[1]), match[2] === "-" ? -size : size]]);
  },
};

/** As many as a model may have: more than all layers is all of them. */
const ALL_LAYERS = 1024;

/** A number of layers, "auto" or "all". */
export const layerCount: Wanted<number | "auto"> = {
  wanted: "a whole number from 0, auto or all",
  read(given) {
    if (given === "auto") return given;
    return given === "all" ? ALL_LAYERS : whole(0, 2 ** 31 - 1).read(given, undefined);
  },
};

/** PATTERN=CPU or PATTERN=GPU, more after commas, given any number of times. A pattern may hold commas and equals signs of its own. */
export const tensorOverrides: Wanted<NonNullable<PlacementOptions["tensorOverrides"]>> = {
  wanted: 'a regular expression, = and CPU or GPU, as in "exps=CPU" (more after commas)',
  read(given, previous = []) {
    const overrides = [...previous];
    const one = /(.+?)=(cpu|gpu)(?:,|$)/iy;
    while (one.lastIndex < given.length || overrides.length === previous.length) {
      const match = one.exec(given);
      if (!match || !isPattern(match[1]!)) return undefined;
      overrides.push({ pattern: match[1]!, device: match[2]!.toLowerCase() as "cpu" | "gpu" });
    }
    return overrides;
  },
};

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
