import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

/** The built command: `npm test` builds it first. */
export const cliPath = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** Runs the command as a user does, from a folder that is not the package's. */
export function tandem(args: readonly string[], input = ""): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [cliPath, ...args], { input, encoding: "utf8", cwd: tmpdir(), timeout: 60_000, maxBuffer: 2 ** 26 });
}
