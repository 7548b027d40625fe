import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tandem } from "../cli/tandem.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-profile-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = ["run", "--temp", "0", "-n", "4", "-c", "64", "--raw", "-p", "Nginx is"];

describe("--profile", () => {
  it("prints tables on stderr, writes a trace, and leaves stdout alone", () => {
    const file = join(folder, "trace.json");
    const plain = tandem(run);
    const { status, stdout, stderr } = tandem([...run, "--profile", file]);
    expect(status).toBe(0);
    expect(stdout).toBe(plain.stdout);
    expect(plain.stderr).not.toMatch(/layer kind/);
    for (const words of [/^prefill: \d+ token/m, /^decode: 3 token\(s\) in 3 run\(s\)/m, /^layer kind/m, /^matmul Q4_K, recurrent/m])
      expect(stderr).toMatch(words);
    expect((JSON.parse(readFileSync(file, "utf8")) as { traceEvents: unknown[] }).traceEvents.length).toBeGreaterThan(1000);
  });

  it("works without a file, and in perplexity", () => {
    const text = join(import.meta.dirname, "../data/qwen3next-mini-heldout.txt");
    const { status, stderr } = tandem(["perplexity", "-f", text, "-c", "64", "--chunks", "1", "--profile"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^prefill: 63 token\(s\) in 1 run/m);
  });

  it("refuses what is no trace's name, and says where it cannot write", () => {
    const word = tandem(["run", "--profile", "What", "is", "nginx?"]);
    expect(word.status).not.toBe(0);
    expect(word.stderr).toMatch(/--profile: wanted a file name that ends in \.json, or none, got "What"/);
    const nowhere = tandem([...run, "--profile", join(folder, "none", "trace.json")]);
    expect(nowhere.status).not.toBe(0);
    expect(nowhere.stderr).toMatch(/--profile: .*trace\.json cannot be written/);
  });
});
