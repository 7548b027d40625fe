import { describe, expect, it } from "vitest";
import { data, reference } from "../models/trained.ts";
import { tandem } from "./tandem.ts";

const heldout = data("qwen3next-mini-heldout.txt");
const wanted = reference("qwen3next-mini").perplexity[0]!;

describe("tandem perplexity", () => {
  it("is within 3 % of the full-precision model, and alike at any batch", () => {
    const args = ["perplexity", "-f", heldout, "-c", "256", "--chunks", "2", "--json"];
    const whole = JSON.parse(tandem(args).stdout) as { running: number[]; ppl: number; err: number; scoredTokens: number };
    expect(whole.scoredTokens).toBe(2 * 127);
    expect(whole.running).toHaveLength(2);
    whole.running.forEach((value, i) => {
      expect(Math.abs(value / wanted.running[i]! - 1)).toBeLessThan(0.03);
    });
    expect(whole.ppl).toBe(whole.running[1]);
    const pieces = JSON.parse(tandem([...args, "-b", "100", "-ub", "48"]).stdout) as { running: number[] };
    pieces.running.forEach((value, i) => {
      // Not equal: activations are rounded to 8 bits, and another order of additions tips some of them over.
      expect(Math.abs(value / whole.running[i]! - 1)).toBeLessThan(0.005);
    });
  });

  it("prints llama-perplexity's form", () => {
    const { stdout, stderr, status } = tandem(["perplexity", "-f", heldout, "-c", "64", "--chunks", "2"]);
    expect(stdout).toMatch(/^\[1\]\d+\.\d{4},\[2\]\d+\.\d{4},\nFinal estimate: PPL = \d+\.\d{4} \+\/- \d+\.\d{5}\n$/);
    expect(stderr).toContain("perplexity: calculating perplexity over 2 chunks, n_ctx=64, batch_size=64");
    expect(status).toBe(0);
  });

  it("refuses a text that is too short, and a missing one", () => {
    const short = tandem(["perplexity", "-f", data("qwen35-tiny.json"), "-c", "30000"]);
    expect(short.stderr).toMatch(/one chunk needs 30000: give a longer text, or a smaller -c/);
    expect(short.status).toBe(1);
    expect(tandem(["perplexity"])).toMatchObject({ status: 2, stderr: "tandem: -f/--file: wanted a text to score, got none\n" });
  });
});
