import { UnsupportedModelError } from "../errors.ts";

/** What the tokenizer and the chat template read of a GGUF: its metadata by key. A `Map` is one. */
export interface TokenizerMetadata {
  get(key: string): unknown;
}

/** The kinds of `tokenizer.ggml.token_type` (GGUF specification). */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The pre-tokenizers that files of this family name in `tokenizer.ggml.pre`. */
export type PreTokenizerName = "qwen2" | "qwen35";

/** A GGUF's vocabulary, checked: every merge names known tokens, every id is in range, no token occurs twice. */
export interface Vocabulary {
  readonly pre: PreTokenizerName;
  /** Token texts by id: GPT-2 byte alphabet for normal tokens, plain text for control and user-defined ones. */
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
  readonly ids: ReadonlyMap<string, number>;
  /** In order of rank, the first merged first. */
  readonly merges: [string, string][];
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly padding: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Ids at which generation ends. */
  readonly endOfGeneration: ReadonlySet<number>;
}

const KEY = "tokenizer.ggml.";

// Texts of control tokens at which a Qwen model has said all it had to say: end of turn, of document, and the fill-in-the-middle separators
// (llama.cpp ends there too).
const END_TEXTS = ["<|im_end|>", "<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"];

/**
 * Reads and checks the `tokenizer.ggml.*` keys.
 * @throws UnsupportedModelError naming the key, what was wanted, what came and what to do.
 */
export function readVocabulary(metadata: TokenizerMetadata): Vocabulary {
  const pre = readNames(metadata);
  const tokens = stringArray(metadata, "tokens");
  const types = numberArray(metadata, "token_type");
  if (types.length !== tokens.length) {
    throw damaged("token_type", `one type for each of the ${tokens.length} tokens`, `${types.length} types`);
  }
  const ids = indexTokens(tokens);
  const eos = tokenId(metadata, "eos_token_id", tokens.length);
  const ends = new Set<number>();
  for (const id of [eos, tokenId(metadata, "eot_token_id", tokens.length), tokenId(metadata, "eom_token_id", tokens.length)]) {
    if (id !== undefined) ends.add(id);
  }
  for (const text of END_TEXTS) {
    const id = ids.get(text);
    if (id !== undefined && types[id] === TokenType.control) ends.add(id);
  }
  return {
    pre,
    tokens,
    types,
    ids,
    merges: readMerges(stringArray(metadata, "merges"), ids),
    bos: tokenId(metadata, "bos_token_id", tokens.length),
    eos,
    padding: tokenId(metadata, "padding_token_id", tokens.length),
    addBos: flag(metadata, "add_bos_token"),
    addEos: flag(metadata, "add_eos_token"),
    endOfGeneration: ends,
  };
}

function readNames(metadata: TokenizerMetadata): PreTokenizerName {
  const model = metadata.get(`${KEY}model`);
  if (model !== "gpt2") {
    const todo = "only byte-level BPE runs here: convert the model again from its original files with its own tokenizer";
    throw new UnsupportedModelError(`${KEY}model must be "gpt2", got ${show(model)}: ${todo}`);
  }
  const pre = metadata.get(`${KEY}pre`);
  if (pre !== "qwen2" && pre !== "qwen35") {
    const todo =
      "the text would be split in places the model was not trained on: use a file of the Qwen3-Next family, converted by a recent llama.cpp";
    throw new UnsupportedModelError(`${KEY}pre must be "qwen2" or "qwen35", got ${show(pre)}: ${todo}`);
  }
  return pre;
}

function indexTokens(tokens: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const text = tokens[id]!;
    // Padding rows of some conversions are empty; no text can ever become one.
    if (text === "") continue;
    const first = ids.get(text);
    if (first !== undefined) throw damaged("tokens", "each token once", `${show(text)} as token ${first} and again as token ${id}`);
    ids.set(text, id);
  }
  return ids;
}

/** Merges of known tokens into a known token. Others, which cut-down vocabularies keep, can never lead to a token and are left out. */
function readMerges(lines: readonly string[], ids: ReadonlyMap<string, number>): [string, string][] {
  const merges = lines.map((line, rank): [string, string] => {
    const space = line.indexOf(" ", 1);
    const right = line.slice(space + 1);
    if (space < 0 || right === "") throw damaged("merges", "two tokens with one space between", `${show(line)} as merge ${rank}`);
    return [line.slice(0, space), right];
  });
  return merges.filter(([left, right]) => ids.has(left) && ids.has(right) && ids.has(left + right));
}

function stringArray(metadata: TokenizerMetadata, name: string): readonly string[] {
  const value = metadata.get(KEY + name);
  if (!Array.isArray(value)) throw damaged(name, "an array of strings", show(value));
  const wrong = value.findIndex((item) => typeof item !== "string");
  if (wrong >= 0) throw damaged(name, "an array of strings", `${show(value[wrong])} at index ${wrong}`);
  return value;
}

function numberArray(metadata: TokenizerMetadata, name: string): ArrayLike<number> {
  const value = metadata.get(KEY + name);
  if (Array.isArray(value)) {
    const wrong = value.findIndex((item) => typeof item !== "number");
    if (wrong >= 0) throw damaged(name, "an array of numbers", `${show(value[wrong])} at index ${wrong}`);
    return value;
  }
  const big = value instanceof BigInt64Array || value instanceof BigUint64Array || value instanceof DataView;
  if (ArrayBuffer.isView(value) && !big) return value as unknown as ArrayLike<number>;
  throw damaged(name, "an array of numbers", show(value));
}

function tokenId(metadata: TokenizerMetadata, name: string, tokenCount: number): number | undefined {
  const value = metadata.get(KEY + name);
  if (value === undefined) return undefined;
  const id = typeof value === "bigint" ? Number(value) : value;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < tokenCount) return id;
  throw damaged(name, `an id from 0 to ${tokenCount - 1}`, show(value));
}

function flag(metadata: TokenizerMetadata, name: string): boolean {
  const value = metadata.get(KEY + name);
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw damaged(name, "true or false", show(value));
}

function damaged(name: string, wanted: string, came: string): UnsupportedModelError {
  const todo = "the vocabulary is damaged or incomplete: download the file again, or convert the model again";
  return new UnsupportedModelError(`${KEY}${name} must be ${wanted}, got ${came}: ${todo}`);
}

function show(value: unknown): string {
  if (value === undefined) return "nothing (the key is missing)";
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? `an array of ${value.length}` : "an object";
  return String(value);
}
