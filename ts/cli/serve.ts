import type { Command } from "commander";
import type { Server } from "../server/index.ts";
import { Interrupted, UsageError } from "./errors.ts";
import { loadWithProgress, modelPath } from "./load.ts";
import { addContextOptions, addModelOptions, addOutputOptions, type ContextFlags, type ModelFlags, type OutputFlags } from "./options.ts";
import type { Terminal } from "./terminal.ts";
import { listOf, text, valueOption, whole } from "./values.ts";

interface ServeFlags extends ModelFlags, ContextFlags, OutputFlags {
  readonly host?: string;
  readonly port?: number;
  readonly apiKey?: readonly string[];
  readonly cors?: readonly string[];
  readonly parallel?: number;
  readonly alias?: string;
  readonly cacheRam?: number;
  readonly maxBody?: number;
  readonly grace?: number;
}

export function addServe(program: Command, terminal: Terminal): void {
  const command = program.command("serve").description("an OpenAI-compatible HTTP server");
  command
    .addOption(valueOption("--host <address>", "where to listen; 0.0.0.0: on all networks; default: 127.0.0.1, this machine alone", text))
    .addOption(valueOption("--port <n>", "where to listen; 0: any free port; default: 8080", whole(0, 65_535)))
    .addOption(valueOption("--api-key <key,...>", "keys that clients must bring; default: TANDEM_API_KEY, or none", listOf(text)))
    .addOption(valueOption("--cors <origin,...>", "web sites whose pages may use the server; *: all; default: none", listOf(text)))
    .addOption(valueOption("--parallel <n>", "requests that are answered at once; default: 4", whole(1, 256)))
    .addOption(valueOption("--cache-ram <MiB>", "memory for prompts that were read before; 0: none; default: 1024", whole(0, 2 ** 24)))
    .addOption(valueOption("--alias <name>", "the model's name in answers; default: the file's", text))
    .addOption(valueOption("--max-body <MiB>", "a request's size at most; default: 16", whole(1, 1024)))
    .addOption(valueOption("--grace <seconds>", "what running answers get to finish on SIGTERM and Ctrl-C; default: 10", whole(0, 86_400)));
  addModelOptions(command);
  addContextOptions(command, "what the model was trained for, at most 4096; each request that runs has as many");
  addOutputOptions(command, "print one JSON object when the server listens: url, model, contextLength, parallel");
  command.action(() => runServe(command.opts<ServeFlags>(), terminal));
}

async function runServe(flags: ServeFlags, terminal: Terminal): Promise<void> {
  const { parallel = 4, host, port, cors, grace = 10, maxBody = 16, cacheRam = 1024 } = flags;
  const apiKeys = flags.apiKey ?? (process.env.TANDEM_API_KEY ? [process.env.TANDEM_API_KEY] : []);
  if (apiKeys.includes("")) throw new UsageError("--api-key: wanted keys of at least one character, got an empty one");
  const stopped = stopSignal(terminal);
  using model = await loadWithProgress(modelPath(flags.model, terminal), flags, terminal, undefined, {
    parallel,
    cacheBytes: cacheRam * 2 ** 20,
  });
  const { serve } = await import("../server/index.ts");
  const alias = flags.alias ?? model.name;
  const log = flags.verbose ? terminal.tell : undefined;
  const server = await serve(model, { host, port, apiKeys, cors, alias, maxBodyBytes: maxBody * 2 ** 20, log });
  const { contextLength } = await model.queue();
  if (flags.json) terminal.print(`${JSON.stringify({ url: server.url, model: alias, contextLength, parallel })}\n`);
  terminal.tell(`listening on ${server.url}/v1: ${parallel} requests at once, ${contextLength} tokens each; Ctrl-C stops`);
  await stopped;
  await stop(server, grace, terminal);
}

/** Resolves on SIGTERM and on Ctrl-C. */
function stopSignal({ signal }: Terminal): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", () => resolve());
    signal.addEventListener("abort", () => {
      if (signal.reason instanceof Interrupted) resolve();
    });
  });
}

async function stop(server: Server, seconds: number, { tell }: Terminal): Promise<void> {
  tell(`stopping: running answers have ${seconds} s`);
  const all = await server.close(seconds * 1000);
  tell(all ? "stopped" : "stopped; answers that were not finished were ended with an error");
}
