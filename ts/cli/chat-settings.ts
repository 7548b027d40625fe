import type { ChatCompletionParams } from "../index.ts";
import { UsageError } from "./errors.ts";
import { decimal, type Wanted, whole } from "./values.ts";

/** Parameters of an answer that a user may choose, on the command line and with /set. */
export type Settings = Pick<
  ChatCompletionParams,
  | "temperature"
  | "top_p"
  | "top_k"
  | "min_p"
  | "repetition_penalty"
  | "presence_penalty"
  | "frequency_penalty"
  | "seed"
  | "max_completion_tokens"
>;

interface Setting {
  readonly param: keyof Settings;
  readonly description: string;
  readonly wanted: Wanted<number>;
}

const fraction = decimal("a number from 0 to 1", (value) => value >= 0 && value <= 1);
const penalty = decimal("a number from -2 to 2", (value) => value >= -2 && value <= 2);

/** By the names that llama.cpp's flags have. What is not set comes from the file, then from the sampler's defaults. */
export const SETTINGS: Readonly<Record<string, Setting>> = {
  temp: {
    param: "temperature",
    description: "temperature; 0: always the likeliest token",
    wanted: decimal("a number of at least 0", (value) => value >= 0),
  },
  "top-p": { param: "top_p", description: "keep the likeliest tokens up to this probability; 1: all", wanted: fraction },
  "top-k": { param: "top_k", description: "keep the n likeliest tokens; 0: all", wanted: whole(0, 2 ** 24) },
  "min-p": { param: "min_p", description: "keep tokens this likely, relative to the likeliest; 0: all", wanted: fraction },
  "repeat-penalty": {
    param: "repetition_penalty",
    description: "divides the logits of recent tokens; 1: off",
    wanted: decimal("a number above 0", (value) => value > 0),
  },
  "presence-penalty": { param: "presence_penalty", description: "taken from the logit of every recent token", wanted: penalty },
  "frequency-penalty": { param: "frequency_penalty", description: "taken once for each time that a token occurred", wanted: penalty },
  seed: { param: "seed", description: "seed of the draws", wanted: whole(0, 2 ** 32 - 1) },
  predict: { param: "max_completion_tokens", description: "tokens of an answer at most", wanted: whole(1, 2 ** 31 - 1) },
};

/** The settings with one of them changed; "default" takes it back. Throws UsageError. */
export function changed(settings: Settings, name: string, value: string): Settings {
  const setting = SETTINGS[name];
  if (!setting) throw new UsageError(`/set: wanted one of ${Object.keys(SETTINGS).join(", ")}, got "${name}"`);
  if (value === "default") return { ...settings, [setting.param]: undefined };
  const read = setting.wanted.read(value, undefined);
  if (read === undefined) throw new UsageError(`/set ${name}: wanted ${setting.wanted.wanted} or default, got "${value}"`);
  return { ...settings, [setting.param]: read };
}

/** A line for each setting: its value, and what it is. */
export function listSettings(settings: Settings): string {
  const lines = Object.entries(SETTINGS).map(([name, { param, description }]) => {
    return `  ${name.padEnd(18)} ${String(settings[param] ?? "default").padEnd(8)} ${description}`;
  });
  return lines.join("\n");
}
