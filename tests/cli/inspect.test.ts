import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { str, writeGguf } from "../files/write-gguf.ts";
import { embeddedModel } from "../models/trained.ts";
import { tandem } from "./tandem.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-inspect-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

interface Report {
  runs: boolean;
  tensors: { name: string; format: string; shape: number[]; bytes: number }[];
  metadata: Record<string, { type: string; value?: unknown; length?: number; first?: unknown[] }>;
  formats: { format: string; tensors: number; bytes: number }[];
  file: { dataBytes: number };
  architecture: { architecture: string; L: number; recurrent: boolean[] };
  memory: {
    contextLength: number;
    weights: number;
    kvCache: number;
    recurrentState: number;
    compute: number;
    sum: number;
    banks: number[];
  };
}

describe("tandem inspect", () => {
  it("--json has the facts of the embedded model", () => {
    const { stdout, status } = tandem(["inspect", embeddedModel, "--json", "-c", "1000", "-ctk", "f32", "-ub", "64"]);
    const report = JSON.parse(stdout) as Report;
    expect(status).toBe(0);
    expect(report.runs).toBe(true);
    expect(report.architecture).toMatchObject({ architecture: "qwen3next", L: 8 });
    expect(report.architecture.recurrent.filter(Boolean)).toHaveLength(6);
    expect(report.tensors).toHaveLength(143);
    expect(report.tensors[0]).toEqual({ name: "token_embd.weight", format: "Q4_K", shape: [8192, 256], bytes: 1179648 });
    expect(report.formats.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(report.file.dataBytes);
    expect(report.metadata["tokenizer.ggml.tokens"]).toMatchObject({ type: "array of string", length: 8192 });
    const { memory } = report;
    // 2 attention layers, one kv head of 256: keys in 4 bytes, values in 2
    expect(memory.kvCache).toBe(2 * 1000 * 256 * (4 + 2));
    // 6 delta layers: S of 4 heads of 128 × 128, R of 3 rows of 1024 channels
    expect(memory.recurrentState).toBe(6 * 4 * (4 * 128 * 128 + 3 * 1024));
    expect(memory.banks).toEqual([memory.weights + memory.kvCache + memory.recurrentState]);
    expect(memory.sum).toBe(memory.weights + memory.kvCache + memory.recurrentState + memory.compute);
  });

  it("prints sections for a person", () => {
    const { stdout, status } = tandem(["inspect", "-m", embeddedModel]);
    expect(status).toBe(0);
    for (const part of [
      "Metadata: 35 keys",
      "Tensors: 143",
      "Architecture: qwen3next",
      "Memory for a context of 4096 tokens",
      "KV cache",
      "WebAssembly memories on the CPU: 1",
    ]) {
      expect(stdout).toContain(part);
    }
  });

  it("shows what it cannot run, and says why", () => {
    const tensor = { name: "token_embd.weight", shape: [4, 32], type: 0, data: new Uint8Array(4 * 32 * 4) };
    const metadata = [["general.architecture", str("llama")] as const, ["general.name", str("evil\x1b[2Jname")] as const];
    const path = write("llama.gguf", writeGguf({ metadata, tensors: [tensor] }));
    const { stdout, status } = tandem(["inspect", path]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/This file cannot be run: .*architecture "llama" is not one of qwen3next/);
    expect(stdout).toContain("token_embd.weight");
    expect(stdout).not.toContain("\x1b");
  });

  it("a damaged file: exit code 1, and what to do", () => {
    const path = write("cut.gguf", readFileSync(embeddedModel).subarray(0, 2_000_000));
    const { stdout, stderr, status } = tandem(["inspect", path]);
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^tandem: .*cut\.gguf: the file is truncated.*download it again\n$/);
  });
});
