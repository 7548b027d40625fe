import { readFileSync } from "node:fs";
import { Command, type Option } from "commander";
import { spellingsOf, translateArgs } from "./args.ts";
import { addBench } from "./bench.ts";
import { addChat } from "./chat.ts";
import { describeFailure } from "./errors.ts";
import { addExplain } from "./explain.ts";
import { addInspect } from "./inspect.ts";
import { addModels } from "./models.ts";
import { addPerplexity } from "./perplexity.ts";
import { addRun } from "./run.ts";
import { addServe } from "./serve.ts";
import { addSweepBench } from "./sweep-bench.ts";
import { synthCommand } from "./synth.ts";
import { openTerminal } from "./terminal.ts";

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}

/** With llama.cpp's short spellings, which commander does not know of. */
function optionTerm(option: Option): string {
  const argument = option.flags.match(/[<[].*[>\]]/)?.[0] ?? "";
  return [option.short, ...spellingsOf(option.long ?? "")].filter(Boolean).join(", ") + (argument && ` ${argument}`);
}

const terminal = openTerminal();
const program = new Command("tandem")
  .description("Runs GGUF models of the Qwen3-Next family. Flags are spelled as in llama.cpp.")
  .version(packageVersion());
// Before the commands, which take these settings over from the program.
program
  .exitOverride()
  .configureOutput({ outputError: () => undefined })
  .configureHelp({ optionTerm, showGlobalOptions: false });
addRun(program, terminal);
addChat(program, terminal);
addServe(program, terminal);
addInspect(program, terminal);
addExplain(program, terminal);
addPerplexity(program, terminal);
addBench(program, terminal);
addSweepBench(program, terminal);
addModels(program, terminal);
program.addCommand(synthCommand().copyInheritedSettings(program));

const takesValue = (flag: string) =>
  program.commands.some((command) => command.options.some((option) => option.required && (option.short === flag || option.long === flag)));
const args = process.argv.slice(2);
try {
  await program.parseAsync(translateArgs(args, takesValue), { from: "user" });
} catch (error) {
  const { exitCode, message } = describeFailure(error, args.includes("--verbose"));
  process.exitCode = exitCode;
  if (message !== undefined) terminal.tell(`tandem: ${message}`);
}
