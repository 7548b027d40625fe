import { BPE, SplitPreTokenizer } from "@huggingface/tokenizers";
import { InvalidArgumentError, UnsupportedModelError } from "../errors.ts";
import { alphabetToBytes, byteOfCharacter, textToAlphabet } from "./byte-alphabet.ts";
import { type DecodeOptions, StreamDecoder, utf8Decoder } from "./stream-decoder.ts";
import { type PreTokenizerName, readVocabulary, type TokenizerMetadata, TokenType, type Vocabulary } from "./vocabulary.ts";

/** How text becomes tokens. */
export interface EncodeOptions {
  /** Add the begin (and end) token where the file's add_bos_token (add_eos_token) asks for it. Default true. */
  addSpecial?: boolean;
  /**
   * Read control tokens such as `<|im_end|>` written in the text as tokens (default), or as their plain characters (false): for text that
   * users typed. User-defined tokens such as `<think>` are tokens either way, as in llama.cpp.
   */
  parseSpecial?: boolean;
  /**
   * Compose the text first (Unicode NFC), as the tokenizers that these models were trained with do (llama.cpp does not). Default true.
   * False keeps decomposed characters, so that decoding gives every text back exactly.
   */
  compose?: boolean;
}

// Written as in the models' own tokenizer.json; qwen35 lets combining marks join words. `\s` is Unicode's White_Space.
const SPLIT: Record<PreTokenizerName, string> = {
  qwen2: splitPattern("\\p{L}", "\\p{L}\\p{N}"),
  qwen35: splitPattern("[\\p{L}\\p{M}]", "\\p{L}\\p{M}\\p{N}"),
};

function splitPattern(letter: string, wordClasses: string): string {
  const contraction = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
  const word = `[^\\r\\n\\p{L}\\p{N}]?${letter}+`;
  const symbols = ` ?[^\\s${wordClasses}]+[\\r\\n]*`;
  return `${contraction}|${word}|\\p{N}|${symbols}|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

// Words come again: the cache makes prose several times faster. Emptied rather than aged at its limit, which costs one slow pass per 65,536
// different words. Pieces longer than 12 characters are left to the library's own cache: JavaScript engines keep such a piece as a view into
// the text it was cut from, so that a cached one would hold the whole document in memory.
const CACHE_ENTRIES = 65_536;
const CACHE_LENGTH = 12;

/**
 * Byte-level BPE over the vocabulary of a GGUF (`tokenizer.ggml.*`), for the pre-tokenizers "qwen2" and "qwen35". Text and tokens correspond
 * byte by byte: `decode(encode(text, { compose: false }))` is `text`, lone surrogates excepted (U+FFFD).
 *
 * The merging and the translation of the split pattern are those of @huggingface/tokenizers; its tokenizer.json pipeline is not used: it
 * writes every piece through the byte alphabet again each time, which takes most of its run time.
 *
 * @throws UnsupportedModelError for another tokenizer model or pre-tokenizer, missing keys, or a damaged vocabulary.
 */
export class Tokenizer {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly padding: number | undefined;
  /** Tokens in the vocabulary: the length of a row of logits. */
  readonly vocabularySize: number;
  readonly #vocabulary: Vocabulary;
  readonly #bpe: BPE;
  readonly #split: RegExp;
  readonly #withControl: RegExp | undefined;
  readonly #withoutControl: RegExp | undefined;
  readonly #cache = new Map<string, readonly number[]>();

  constructor(metadata: TokenizerMetadata) {
    const vocabulary = readVocabulary(metadata);
    this.#vocabulary = vocabulary;
    this.bos = vocabulary.bos;
    this.eos = vocabulary.eos;
    this.padding = vocabulary.padding;
    this.vocabularySize = vocabulary.tokens.length;
    // Merging needs the merges only; ids are looked up here. An empty vocabulary spares a second copy of 250,000 tokens.
    this.#bpe = new BPE({ type: "BPE", vocab: {}, merges: vocabulary.merges, ignore_merges: false });
    const pattern = { Regex: SPLIT[vocabulary.pre] };
    this.#split = new SplitPreTokenizer({ type: "Split", pattern, behavior: "Isolated", invert: false }).pattern!;
    this.#withControl = markPattern(vocabulary, [TokenType.userDefined, TokenType.control, TokenType.unknown]);
    this.#withoutControl = markPattern(vocabulary, [TokenType.userDefined]);
  }

  /** The tokens of a text. @throws UnsupportedModelError where the vocabulary lacks the token of a byte in it. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const { addSpecial = true, parseSpecial = true, compose = true } = options;
    const { bos, eos, addBos, addEos, ids } = this.#vocabulary;
    const source = compose ? text.normalize("NFC") : text;
    const out: number[] = [];
    if (addSpecial && addBos && bos !== undefined) out.push(bos);
    const marks = parseSpecial ? this.#withControl : this.#withoutControl;
    let start = 0;
    if (marks) {
      for (const match of source.matchAll(marks)) {
        this.#encodePlain(source.slice(start, match.index), out);
        out.push(ids.get(match[0])!);
        start = match.index + match[0].length;
      }
    }
    this.#encodePlain(source.slice(start), out);
    if (addSpecial && addEos && eos !== undefined) out.push(eos);
    return out;
  }

  /** The text of tokens: their bytes in a row, read as UTF-8; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const parts: Uint8Array[] = [];
    let lengthBytes = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!options.special && this.isControl(id)) continue;
      const bytes = this.tokenBytes(id);
      parts.push(bytes);
      lengthBytes += bytes.length;
    }
    const all = new Uint8Array(lengthBytes);
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return utf8Decoder().decode(all);
  }

  /** A decoder for tokens that come one by one. */
  decoder(options: DecodeOptions = {}): StreamDecoder {
    return new StreamDecoder(this, options);
  }

  /** The token as the file writes it: in the GPT-2 byte alphabet ("Ġthe"), control and user-defined tokens in plain text. */
  tokenText(id: number): string {
    return this.#vocabulary.tokens[this.#checked(id)]!;
  }

  /** The bytes that a token stands for, maybe not whole characters. Control tokens give their text, unused ones nothing. */
  tokenBytes(id: number): Uint8Array {
    const text = this.tokenText(id);
    switch (this.#vocabulary.types[id]) {
      case TokenType.control:
      case TokenType.unknown:
      case TokenType.userDefined:
        return new TextEncoder().encode(text);
      case TokenType.unused:
        return new Uint8Array(0);
      default:
        return alphabetToBytes(text);
    }
  }

  /** Whether the token steers rather than says something: `<|im_start|>` does, `<think>` (user-defined) does not. */
  isControl(id: number): boolean {
    const type = this.#vocabulary.types[this.#checked(id)];
    return type === TokenType.control || type === TokenType.unknown;
  }

  /** Whether generation ends at this token: the file's eos, eot and eom, end of turn, end of text, fill-in-the-middle separators. */
  isEndOfGeneration(id: number): boolean {
    return this.#vocabulary.endOfGeneration.has(id);
  }

  #encodePlain(text: string, out: number[]): void {
    if (text === "") return;
    for (const piece of text.match(this.#split) ?? []) {
      for (const id of this.#encodePiece(piece)) out.push(id);
    }
  }

  #encodePiece(piece: string): readonly number[] {
    const known = this.#cache.get(piece);
    if (known) return known;
    const ids = this.#bpe.bpe(textToAlphabet(piece)).map((text) => this.#vocabulary.ids.get(text) ?? this.#missing(text));
    if (piece.length <= CACHE_LENGTH) {
      if (this.#cache.size >= CACHE_ENTRIES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  // Merges only make known tokens, so what is missing is a single byte.
  #missing(character: string): never {
    const byte = (byteOfCharacter(character) ?? 0).toString(16).padStart(2, "0");
    const wanted = `tokenizer.ggml.tokens must hold a token for each byte, got none for 0x${byte} (${JSON.stringify(character)})`;
    throw new UnsupportedModelError(`${wanted}: the vocabulary is incomplete, convert the model again`);
  }

  #checked(id: number): number {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabularySize) return id;
    throw new InvalidArgumentError(`a token id must be an integer from 0 to ${this.vocabularySize - 1}, got ${id}`);
  }
}

/** Finds the vocabulary's tokens of these types in a text, the longest first. */
function markPattern(vocabulary: Vocabulary, types: readonly number[]): RegExp | undefined {
  const texts = vocabulary.tokens.filter((text, id) => text !== "" && types.includes(vocabulary.types[id]!));
  if (texts.length === 0) return undefined;
  texts.sort((a, b) => b.length - a.length);
  return new RegExp(texts.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
}
