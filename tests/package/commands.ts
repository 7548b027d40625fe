import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const MODEL = path.join(ROOT, "examples/models/qwen3next-mini-q4_k_m.gguf");

/** What a command printed. Throws with both outputs where it failed. */
export function output(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 26,
    timeout: 170_000,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${status}\n${error ?? ""}${stdout}\n${stderr}`);
  return stdout;
}

/** A tool of this repository's development dependencies. */
export function tool(name: string, args: readonly string[], cwd: string): string {
  return output(path.join(ROOT, "node_modules/.bin", name), args, cwd, { NO_COLOR: "1" });
}
