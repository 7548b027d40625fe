import { readFileSync } from "node:fs";
import { openGguf } from "../../ts/io/gguf.ts";
import { characterOfByte } from "../../ts/text/byte-alphabet.ts";
import type { TokenizerMetadata } from "../../ts/text/vocabulary.ts";

const root = new URL("../../", import.meta.url);

export const MINI = new URL("examples/models/qwen3next-mini-q4_k_m.gguf", root).pathname;

export function dataText(name: string): string {
  return readFileSync(new URL(`tests/data/${name}`, root), "utf8");
}

export async function metadataOf(path: string): Promise<TokenizerMetadata> {
  const file = await openGguf(path);
  try {
    const metadata = file.metadata;
    return { get: (key) => metadata.get(key) };
  } finally {
    await file.close();
  }
}

/** A vocabulary of the 256 bytes (ids 0 to 255), two control tokens, a user-defined one, an unused one and what `changes` says. */
export function byteVocabulary(changes: Record<string, unknown> = {}): Map<string, unknown> {
  const tokens = Array.from({ length: 256 }, (_, byte) => characterOfByte(byte));
  const types = tokens.map(() => 1);
  tokens.push("<|endoftext|>", "<|im_end|>", "<think>", "[PAD259]");
  types.push(3, 3, 4, 5);
  const metadata = new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "qwen2"],
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.token_type", types],
    ["tokenizer.ggml.merges", []],
    ["tokenizer.ggml.bos_token_id", 256],
    ["tokenizer.ggml.eos_token_id", 257],
    ["tokenizer.ggml.add_bos_token", false],
  ]);
  for (const [key, value] of Object.entries(changes)) metadata.set(`tokenizer.ggml.${key}`, value);
  return metadata;
}

/** `byteVocabulary` with merges and the tokens they make, ids from 260 on. */
export function mergedVocabulary(merges: string[], changes: Record<string, unknown> = {}): Map<string, unknown> {
  const base = byteVocabulary();
  const made = merges.map((line) => line.replace(" ", ""));
  const tokens = [...(base.get("tokenizer.ggml.tokens") as string[]), ...made];
  const types = [...(base.get("tokenizer.ggml.token_type") as number[]), ...made.map(() => 1)];
  return byteVocabulary({ tokens, token_type: types, merges, ...changes });
}
