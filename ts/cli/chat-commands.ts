import { changed, listSettings } from "./chat-settings.ts";
import type { Conversation } from "./conversation.ts";
import { UsageError } from "./errors.ts";

/** What to do after a command: go on, leave, or answer the last question again. */
export type Next = "go on" | "exit" | "answer again";

interface ChatCommand {
  readonly argument: string;
  readonly description: string;
  run(chat: Conversation, argument: string, tell: (line: string) => void): Promise<Next> | Next;
}

const COMMANDS: Readonly<Record<string, ChatCommand>> = {
  help: {
    ...{ argument: "", description: "this list" },
    run: (_chat, _argument, tell) => {
      for (const [name, { argument, description }] of Object.entries(COMMANDS))
        tell(`  ${`/${name} ${argument}`.padEnd(22)} ${description}`);
      tell("  arrow keys: earlier lines; Ctrl-C: ends the answer; Ctrl-D: leaves");
      return "go on";
    },
  },
  clear: {
    ...{ argument: "", description: "forget what was said; the system message stays" },
    run: (chat) => {
      chat.clear();
      return "go on";
    },
  },
  system: {
    ...{ argument: "[text]", description: "set the system message, or show it" },
    run: (chat, argument, tell) => {
      if (argument !== "") chat.system = argument;
      tell(chat.system ?? "there is no system message");
      return "go on";
    },
  },
  regen: { argument: "", description: "another answer in place of the last", run: () => "answer again" },
  set: {
    ...{ argument: "[name value]", description: "change a setting, as in /set temp 0.7, or show all" },
    run: (chat, argument, tell) => {
      const [name = "", value = ""] = argument.split(/\s+/);
      if (name === "") tell(listSettings(chat.settings));
      else chat.settings = changed(chat.settings, name, value);
      return "go on";
    },
  },
  save: {
    ...{ argument: "file", description: "write the chat to a file" },
    run: async (chat, argument, tell): Promise<Next> => {
      await chat.save(fileName("save", argument));
      tell(`saved ${chat.messages.length} messages`);
      return "go on";
    },
  },
  load: {
    ...{ argument: "file", description: "go on with a saved chat" },
    run: async (chat, argument, tell): Promise<Next> => {
      await chat.load(fileName("load", argument));
      tell(`loaded ${chat.messages.length} messages`);
      return "go on";
    },
  },
  exit: { argument: "", description: "leave", run: () => "exit" },
};

/** Runs a line such as `/set temp 0.7`. Throws UsageError, and what reading and writing files throw. */
export async function runCommand(line: string, chat: Conversation, tell: (line: string) => void): Promise<Next> {
  const [, name = "", argument = ""] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? [];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageError(`there is no /${name}: /help lists what there is`);
  return command.run(chat, argument.trim(), tell);
}

function fileName(command: string, argument: string): string {
  if (argument === "") throw new UsageError(`/${command}: wanted a file, got none`);
  return argument;
}
