import { type Command, Option } from "commander";
import { type CachedModel, openModelCache } from "../index.ts";
import { UsageError } from "./errors.ts";
import { printable, showBytes, type Terminal } from "./terminal.ts";

/** `tandem models list` and `tandem models rm`: what was downloaded with -m https://… and -m hf:… */
export function addModels(program: Command, terminal: Terminal): void {
  const command = program.command("models").description("list and delete downloaded models (kept in TANDEM_CACHE, or ~/.cache/tandem)");
  command
    .command("list", { isDefault: true })
    .description("what is in the cache, and its size")
    .addOption(new Option("--json", "print one JSON array"))
    .action((flags: { json?: boolean }) => list(flags, terminal));
  command
    .command("rm")
    .description("delete models; all shards of a model go with one of them")
    .argument("[name...]", "as `tandem models list` shows them")
    .addOption(new Option("--all", "delete all of them"))
    .action((names: string[], flags: { all?: boolean }) => remove(names, flags, terminal));
}

async function list({ json }: { json?: boolean }, { print, tell }: Terminal): Promise<void> {
  const cache = await openModelCache();
  const models = await cache.list();
  if (json) {
    print(`${JSON.stringify(models)}\n`);
    return;
  }
  for (const model of models) print(`${describe(model)}\n`);
  const sum = models.reduce((bytes, model) => bytes + model.heldBytes, 0);
  tell(`${models.length} file${models.length === 1 ? "" : "s"}, ${showBytes(sum)} in ${cache.place}`);
}

function describe({ name, bytes, heldBytes, complete, added }: CachedModel): string {
  const size = showBytes(bytes).padStart(10);
  const date = added?.toISOString().slice(0, 10) ?? "damaged   ";
  const part = complete || bytes === 0 ? "" : `  (${Math.floor((heldBytes / bytes) * 100)} % downloaded)`;
  return `${size}  ${date}  ${printable(name)}${part}`;
}

async function remove(names: readonly string[], { all }: { all?: boolean }, { tell }: Terminal): Promise<void> {
  if (all && names.length > 0) throw new UsageError("models rm: wanted names or --all, got both: leave one of them away");
  if (!all && names.length === 0) throw new UsageError("models rm: wanted the name of a model, got none: `tandem models list` shows them");
  const cache = await openModelCache();
  const wanted = all ? (await cache.list()).map((model) => model.key) : names;
  for (const name of wanted) {
    // A shard may have gone with another one.
    if (all && !(await cache.list()).some((model) => model.key === name)) continue;
    for (const model of await cache.remove(name)) tell(`deleted ${printable(model.name)}, ${showBytes(model.heldBytes)}`);
  }
}
