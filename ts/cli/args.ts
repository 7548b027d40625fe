import { UsageError } from "./errors.ts";

/**
 * Spellings of llama.cpp's tools that commander cannot declare: several letters after one dash, and long names beyond the first.
 * The right side is the name under which the option is declared in options.ts.
 */
export const SPELLINGS: Readonly<Record<string, string>> = {
  "-ub": "--ubatch-size",
  "-ctk": "--cache-type-k",
  "-ctv": "--cache-type-v",
  "-ngl": "--gpu-layers",
  "--n-gpu-layers": "--gpu-layers",
  "-cmoe": "--cpu-moe",
  "-ncmoe": "--n-cpu-moe",
  "-ot": "--override-tensor",
  "--n-predict": "--predict",
  "--temperature": "--temp",
  "--typical-p": "--typical",
  "-wb": "--warmup-batch",
  "-np": "--parallel",
  "-cram": "--cache-ram",
  "-sys": "--system",
  "--system-prompt": "--system",
  "-no-cnv": "--raw",
  "--no-conversion": "--raw",
};

/** Every spelling of a declared option: `-ub` and `--ubatch-size`. */
export function spellingsOf(long: string): string[] {
  const others = Object.keys(SPELLINGS).filter((spelling) => SPELLINGS[spelling] === long);
  return [...others.filter((name) => !name.startsWith("--")), long, ...others.filter((name) => name.startsWith("--"))];
}

/**
 * Rewrites llama.cpp's spellings to the declared ones. What stands after a flag that takes a value is that value, whatever it
 * looks like, and nothing after `--` is a flag.
 *
 * @param takesValue Tells whether a declared option wants a value behind it.
 * @throws UsageError for several letters behind one dash that are in no table: commander would take them for `-t` with the value "emp".
 */
export function translateArgs(args: readonly string[], takesValue: (flag: string) => boolean): string[] {
  const translated: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return [...translated, ...args.slice(i)];
    const equals = arg.startsWith("--") ? arg.indexOf("=") : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const flag = SPELLINGS[name] ?? name;
    if (flag === name && /^-[A-Za-z]{2}/.test(arg)) throw unknownFlag(arg);
    translated.push(equals < 0 ? flag : flag + arg.slice(equals));
    if (equals < 0 && takesValue(flag) && i + 1 < args.length) translated.push(args[++i]!);
  }
  return translated;
}

function unknownFlag(arg: string): UsageError {
  const known = Object.keys(SPELLINGS).filter((spelling) => !spelling.startsWith("--"));
  return new UsageError(`unknown option '${arg}': wanted a long name (-${arg}?) or one of ${known.join(" ")}; --help lists what there is`);
}
