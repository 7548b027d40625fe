import type { Command } from "commander";
import { chatLoop } from "./chat-loop.ts";
import { SETTINGS, type Settings } from "./chat-settings.ts";
import { Conversation } from "./conversation.ts";
import { loadWithProgress, modelPath } from "./load.ts";
import { addContextOptions, addModelOptions, type ContextFlags, type ModelFlags } from "./options.ts";
import type { Terminal } from "./terminal.ts";
import { text, valueOption } from "./values.ts";

interface ChatFlags extends ModelFlags, ContextFlags {
  readonly system?: string;
}

/** Settings with a short flag too. */
const SHORT: Readonly<Record<string, string>> = { predict: "-n, ", seed: "-s, " };

export function addChat(program: Command, terminal: Terminal): void {
  const command = program.command("chat").description("talk to a model; /help lists what can be said to the program");
  command.addOption(valueOption("--system <text>", "system message", text));
  addModelOptions(command);
  addContextOptions(command, "what the model was trained for, at most 4096");
  for (const [name, { description, wanted }] of Object.entries(SETTINGS)) {
    command.addOption(valueOption(`${SHORT[name] ?? ""}--${name} <x>`, description, wanted));
  }
  command.action(() => runChat(command, terminal));
}

async function runChat(command: Command, terminal: Terminal): Promise<void> {
  const flags = command.opts<ChatFlags>();
  const settings: Settings = {};
  for (const [name, { param }] of Object.entries(SETTINGS)) {
    const key = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    settings[param] = command.getOptionValue(key) as number | undefined;
  }
  using model = await loadWithProgress(modelPath(flags.model, terminal), flags, terminal, undefined, { parallel: 1 });
  await model.queue(); // memory that is not there is missed now
  const { stdin: input, stdout: output, stderr: notes } = process;
  const interactive = Boolean(input.isTTY && output.isTTY);
  if (interactive) terminal.tell("/help lists the commands");
  await chatLoop(new Conversation(model, settings, flags.system), { input, output, notes, interactive }, terminal.signal);
  terminal.signal.throwIfAborted();
}
