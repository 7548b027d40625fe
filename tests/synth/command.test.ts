import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { UsageError } from "../../ts/cli/errors.ts";
import { synthCommand } from "../../ts/cli/synth.ts";
import { InvalidArgumentError } from "../../ts/errors.ts";
import { openGguf } from "../../ts/io/gguf.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tandem-synth-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command and gives what it told on stderr. */
async function run(...args: string[]): Promise<string> {
  let told = "";
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += text;
    return true;
  });
  try {
    const quiet = { writeErr: () => {}, writeOut: () => {} };
    const command = synthCommand().exitOverride().configureOutput(quiet);
    await new Command()
      .exitOverride()
      .addCommand(command)
      .parseAsync(["synth", ...args], { from: "user" });
  } finally {
    stderr.mockRestore();
  }
  return told;
}

describe("tandem synth", () => {
  it("writes a file and tells its size, parameters, time and speed", async () => {
    const path = join(folder, "model.gguf");
    const told = await run(
      "tiny-qwen35moe",
      "-o",
      path,
      "--quant",
      "Q8_0",
      "--layers",
      "4",
      "--experts",
      "4",
      "--vocab",
      "280",
      "--seed",
      "9",
    );
    expect(told).toMatch(/model\.gguf: [\d.]+ KiB, 0\.\d{3} G parameters in \d+ tensors, [\d.]+ s, \d+ MB\/s\n$/);
    await using file = await openGguf(path);
    expect(file.metadata.getCount("qwen35moe.expert_count")).toBe(4);
    expect(file.tensors.get("token_embd.weight")?.shape).toEqual([280, 64]);
    expect(file.metadata.getString("general.name")).toMatch(/tiny-qwen35moe synthetic .*seed 9/);
  });

  it("overwrites only with --force", async () => {
    const path = join(folder, "kept.gguf");
    await writeFile(path, "precious");
    await expect(run("tiny-qwen35", "-o", path)).rejects.toThrow(/kept\.gguf: is there already.*--force/);
    expect(await readFile(path, "utf8")).toBe("precious");
    await run("tiny-qwen35", "-o", path, "--force");
    await using file = await openGguf(path);
    expect(file.tensors.size).toBeGreaterThan(50);
  });

  it("refuses what the disk has no room for, before it writes anything", async () => {
    const before = await readdir(folder);
    const huge = run("qwen3next-80b-a3b", "-o", join(folder, "huge.gguf"), "--quant", "F32", "--layers", "1024", "--experts", "4096");
    await expect(huge).rejects.toThrow(InvalidArgumentError);
    await expect(huge).rejects.toThrow(/wanted [\d.]+ TiB, the disk has [\d.]+ [KMGT]iB free: make room, or write a smaller file/);
    expect(await readdir(folder)).toEqual(before);
  });

  it("leaves nothing behind when it is stopped", async () => {
    const before = await readdir(folder);
    const running = run("qwen35-0.8b", "-o", join(folder, "stopped.gguf"), "--layers", "8");
    setTimeout(() => process.emit("SIGINT"), 5);
    await expect(running).rejects.toThrow("interrupted");
    expect(await readdir(folder)).toEqual(before);
  });

  it("names what is wrong on the command line", async () => {
    await expect(run("tiny-qwen35")).rejects.toThrow(UsageError);
    await expect(run("tiny-qwen35", "-o", folder)).rejects.toThrow(/wanted a file to write, got a folder/);
    await expect(run("tiny-qwen35", "-o", join(folder, "no", "m.gguf"))).rejects.toThrow(/cannot be used .*: make it first/);
    await expect(run("tiny-qwen35", "-o", join(folder, "m.gguf"), "--quant", "Q9")).rejects.toThrow(/--quant: wanted F32, .* got "Q9"/);
    await expect(run("tiny-gpt2", "-o", join(folder, "m.gguf"))).rejects.toThrow(/preset/);
    await expect(run("tiny-qwen35", "-o", join(folder, "m.gguf"), "--experts", "4")).rejects.toThrow(/tiny-qwen35 has no experts/);
  });
});
