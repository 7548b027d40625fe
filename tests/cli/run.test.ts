import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cliPath, tandem } from "./tandem.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const greedy = ["run", "--temp", "0", "-n", "24", "-c", "256"];

interface Answer {
  text: string;
  tokens: number[];
  finishReason: string;
  promptTokens: number;
  timings: { pp: number; tg: number };
}

describe("tandem run", () => {
  it("answers on stdout and tells the rest on stderr; the same twice at --temp 0", () => {
    const first = tandem([...greedy, "What", "is the package nginx?", "--verbose"]);
    const second = tandem([...greedy, "-p", "What is the package nginx?"]);
    expect(first.status).toBe(0);
    expect(first.stdout).toMatch(/^Nginx .*\n$/);
    expect(second.stdout).toBe(first.stdout);
    expect(first.stderr).toMatch(/example model \(35M parameters, Debian docs\)/);
    expect(first.stderr).toMatch(/graph nodes = \d+, graph splits = 1/);
    expect(first.stderr).toMatch(/prompt: 16 tokens, [\d.]+ t\/s; generated: 24 tokens, [\d.]+ t\/s/);
  });

  it("--expert-cache leaves experts in the file and tells of them; the answer is the same", () => {
    const args = ["run", "-n", "4", "--temp", "0", "-p", "install a package"];
    const paged = tandem([...args, "--expert-cache", "2M"]);
    expect(paged.stdout).toBe(tandem(args).stdout);
    expect(paged.stderr).toMatch(/experts: \d+\.\d % found, .* read in .*; room for \d+ of 128/);
  });

  it("--json prints one object; the prompt may be piped or in a file", () => {
    const piped = tandem([...greedy, "--json"], "What is the package nginx?\n");
    const answer = JSON.parse(piped.stdout) as Answer;
    expect(answer.text).toMatch(/^Nginx /);
    expect(answer.tokens).toHaveLength(24);
    expect(answer).toMatchObject({ finishReason: "length", promptTokens: 16 });
    expect(answer.timings.pp).toBeGreaterThan(0);
    expect(answer.timings.tg).toBeGreaterThan(0);
    const file = join(folder, "prompt.txt");
    writeFileSync(file, "What is the package nginx?\n");
    expect((JSON.parse(tandem([...greedy, "--json", "-f", file]).stdout) as Answer).tokens).toEqual(answer.tokens);
  });

  it("understands llama.cpp's spellings, --raw and --system", () => {
    const raw = tandem([
      "run",
      "--temperature",
      "0",
      "--n-predict=3",
      "-no-cnv",
      "-ub",
      "8",
      "-ctk",
      "f32",
      "-ctv",
      "q8_0",
      "-ngl",
      "0",
      "--json",
      "PostgreSQL is",
    ]);
    expect(JSON.parse(raw.stdout)).toMatchObject({ text: " a fully feature", finishReason: "length", promptTokens: 3 });
    const system = tandem([...greedy, "-n", "1", "-sys", "Be short.", "--json", "hi"]);
    const plain = tandem([...greedy, "-n", "1", "--json", "hi"]);
    expect((JSON.parse(system.stdout) as Answer).promptTokens).toBeGreaterThan((JSON.parse(plain.stdout) as Answer).promptTokens);
  });

  it.each([
    [["--tmp", "0", "x"], /^tandem: unknown option '--tmp' \(Did you mean --temp\?\)/],
    [["-temp", "0", "x"], /^tandem: unknown option '-temp'/],
    [["-ub", "none", "x"], /^tandem: -ub\/--ubatch-size: wanted a whole number from 1 to 65536, got "none"/],
    [["x", "-p", "y"], /^tandem: wanted one prompt, got words and -p/],
    [[], /^tandem: wanted a prompt, got an empty text/],
    [["x", "--raw", "--system", "y"], /^tandem: --system: wanted a chat, got --raw too/],
    [["x", "-n"], /^tandem: option '-n, --predict <n>' argument missing/],
  ])("%j is a usage error: one line, exit code 2", (args, message) => {
    const { status, stdout, stderr } = tandem(["run", ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  it("a model that cannot be opened, and a prompt that does not fit, exit with 1", () => {
    const missing = tandem(["run", "-m", "nowhere.gguf", "x"]);
    expect(missing.stderr).toMatch(/^tandem: nowhere\.gguf: cannot be opened.*check the path/);
    expect(missing.status).toBe(1);
    const long = tandem(["run", "-c", "10", "far too many words for a context of ten"]);
    expect(long.stderr).toMatch(/tandem: the prompt has \d+ tokens, the context holds 10: raise -c/);
    expect(long.status).toBe(1);
    expect(tandem(["run", "-m", "nowhere.gguf", "x", "--verbose"]).stderr).toMatch(/\n {4}at /);
  });

  // Dawn's null adapter takes every call and computes nothing: what is told before the first logits can be seen on any machine.
  it("with layers on a GPU it says so, and how many splits there are", () => {
    const half = tandem([...greedy, "-ngl", "4", "--gpu-flags", "backend=null", "hi"]);
    expect(half.stderr).toMatch(/wasm \(.*\) \+ webgpu \(.*\), 4 of 8 layers, \d+ MiB GPU memory admitted/);
    expect(half.stderr).toMatch(/^graph nodes = \d+, graph splits = 3$/m);
    const fitting = tandem([...greedy, "-ngl", "auto", "-c", "0", "--gpu-memory", "60", "--gpu-flags", "backend=null", "hi"]);
    const fits = Number(/, (\d) of 8 layers, 60 MiB/.exec(fitting.stderr)?.[1]);
    expect(fits).toBeGreaterThan(0);
    expect(fits).toBeLessThan(8);
    const crowded = tandem([...greedy, "-ngl", "4", "--max-splits", "2", "--gpu-flags", "backend=null", "hi"]);
    expect(crowded.stderr).toMatch(/^tandem: this placement needs at least 3 splits, maxSplits is 2: raise maxSplits to 3, or .*\n$/m);
    expect(crowded.stderr).not.toContain("of weights"); // refused before they are loaded
    expect(crowded.status).toBe(1);
  });

  // Signals are a POSIX matter.
  it.skipIf(process.platform === "win32")("Ctrl-C ends with 130, a reader that leaves with 0", async () => {
    const endless = [cliPath, "run", "--temp", "1", "-s", "1", "--logit-bias", "8185-inf", "hello"];
    const interrupted = spawn(process.execPath, endless);
    await once(interrupted.stdout, "data");
    interrupted.kill("SIGINT");
    expect(await once(interrupted, "close")).toEqual([130, null]);
    const deserted = spawn(process.execPath, endless);
    await once(deserted.stdout, "data");
    deserted.stdout.destroy();
    expect(await once(deserted, "close")).toEqual([0, null]);
  });
});
