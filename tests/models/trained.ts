import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Test data that the repository ships. */
export const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.url));
export const embeddedModel = fileURLToPath(new URL("../../examples/models/qwen3next-mini-q4_k_m.gguf", import.meta.url));

/**
 * The trained model in its other formats, 70 and 38 MB, is not in the repository: set TANDEM_TEST_MODELS to a folder that holds
 * qwen3next-mini-bf16.gguf and qwen3next-mini-q8_0.gguf. Undefined, and said loudly, where there is none.
 */
export function trainedModel(format: "bf16" | "q8_0"): string | undefined {
  const name = `qwen3next-mini-${format}.gguf`;
  const folders = [process.env.TANDEM_TEST_MODELS, fileURLToPath(new URL("../../../shared/models", import.meta.url))];
  const path = folders.map((folder) => folder && `${folder}/${name}`).find((one) => one && existsSync(one));
  if (!path) console.warn(`SKIPPED: ${name} is not here: set TANDEM_TEST_MODELS to the folder that holds it`);
  return path || undefined;
}

/** What Hugging Face transformers computed in float32 with the same weights. */
export interface Reference {
  readonly tokens: number[];
  readonly rows: number[];
  readonly logits: { file: string; shape: [number, number] };
  readonly hidden: { file: string; shape: [number, number, number] };
  readonly hidden_rows: number[];
  readonly perplexity: { n_ctx: number; chunks: number; running: number[]; ppl: number; err: number }[];
  readonly greedy: { prompt: string; ids: number[]; greedy: number[]; text: string }[];
  readonly tokenize: { text: string; ids: number[] }[];
}

export function reference(name: "qwen3next-mini" | "qwen35-tiny"): Reference {
  return JSON.parse(readFileSync(data(`${name}.json`), "utf8")) as Reference;
}

export function referenceFloats(file: string): Float32Array {
  const bytes = readFileSync(data(file));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

export const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
export const norm = (a: ArrayLike<number>): number => Math.sqrt(Array.from(a).reduce((sum, value) => sum + value * value, 0));
