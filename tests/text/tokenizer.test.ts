import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { InvalidArgumentError, UnsupportedModelError } from "../../ts/errors.ts";
import { Tokenizer } from "../../ts/text/tokenizer.ts";
import type { TokenizerMetadata } from "../../ts/text/vocabulary.ts";
import { byteVocabulary, dataText, MINI, mergedVocabulary, metadataOf } from "./helpers.ts";

interface Expected {
  tokenize: { text: string; ids: number[] }[];
  greedy: { prompt: string; ids: number[] }[];
}

const expected = JSON.parse(dataText("qwen3next-mini.json")) as Expected;
/** The same vocabulary through the library's own pipeline of splitting, byte alphabet, merging and added tokens. */
function libraryTokenizer(metadata: TokenizerMetadata): LibraryTokenizer {
  const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
  const types = metadata.get("tokenizer.ggml.token_type") as number[];
  const letters = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}";
  const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const regex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|${letters}|${rest}`;
  const added = tokens.map((content, id) => ({ id, content, special: types[id] === 3 })).filter(({ id }) => types[id] !== 1);
  return new LibraryTokenizer(
    {
      normalizer: null,
      post_processor: null,
      decoder: { type: "ByteLevel" },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
          { type: "ByteLevel", add_prefix_space: false, use_regex: false },
        ],
      },
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
        merges: metadata.get("tokenizer.ggml.merges"),
      },
      added_tokens: added,
    },
    {},
  );
}

const anyText = fc.string({ unit: "binary", maxLength: 60 });

describe("the vocabulary of the embedded model", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = new Tokenizer(await metadataOf(MINI));
  });

  it.each(expected.tokenize)("tokenizes $text as the model's own tokenizer does", ({ text, ids }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
  });

  it.each(expected.greedy)("tokenizes the prompt $prompt", ({ prompt, ids }) => {
    expect(tokenizer.encode(prompt, { parseSpecial: true, addSpecial: false })).toEqual(ids);
    expect(tokenizer.decode(ids, { special: true })).toBe(prompt);
  });

  it("composes decomposed characters unless asked not to", () => {
    expect(tokenizer.decode(tokenizer.encode("e\u0301"))).toBe("\u00e9");
    expect(tokenizer.decode(tokenizer.encode("e\u0301", { compose: false }))).toBe("e\u0301");
  });

  it("tokenizes the held-out text in well under two seconds, and gives it back", () => {
    const text = dataText("qwen3next-mini-heldout.txt");
    const start = performance.now();
    const ids = tokenizer.encode(text);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(ids.length).toBe(72_342);
    expect(tokenizer.decode(ids)).toBe(text);
  });

  it("reads control tokens as characters when parseSpecial is false, user-defined ones as tokens", () => {
    const end = tokenizer.encode("<|im_end|>");
    expect(end).toEqual([tokenizer.eos]);
    const literal = tokenizer.encode("<|im_end|>", { parseSpecial: false });
    expect(literal.length).toBeGreaterThan(1);
    expect(literal.some((id) => tokenizer.isControl(id))).toBe(false);
    expect(tokenizer.decode(literal)).toBe("<|im_end|>");
    expect(tokenizer.encode("<think>", { parseSpecial: false })).toEqual(tokenizer.encode("<think>"));
  });

  it("knows its special tokens", () => {
    expect([tokenizer.bos, tokenizer.eos, tokenizer.padding, tokenizer.vocabularySize]).toEqual([8183, 8185, 8183, 8192]);
    expect(tokenizer.isEndOfGeneration(8185)).toBe(true);
    expect(tokenizer.isEndOfGeneration(8183)).toBe(true);
    expect(tokenizer.isEndOfGeneration(8184)).toBe(false);
    expect(tokenizer.isControl(8184)).toBe(true);
    expect(tokenizer.isControl(8186)).toBe(false);
    expect(tokenizer.tokenText(8186)).toBe("<think>");
    expect(tokenizer.decode([8185, 8186])).toBe("<think>");
    expect(tokenizer.decode([8185, 8186], { special: true })).toBe("<|im_end|><think>");
  });

  it("gives any text back", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text, { parseSpecial: false, compose: false }))).toBe(text);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("gives what the library's whole pipeline gives, twice (with a cold and a warm cache)", async () => {
    const library = libraryTokenizer(await metadataOf(MINI));
    const texts = fc.oneof(
      fc.string({ maxLength: 40 }),
      anyText,
      fc.string({ unit: fc.constantFrom(..."a'sS \n\r\t1é—<think>"), maxLength: 40 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const wanted = library.encode(text).ids;
        expect(tokenizer.encode(text, { compose: false })).toEqual(wanted);
        expect(tokenizer.encode(text, { compose: false })).toEqual(wanted);
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it.each([["a"], [" "], ["\n"], ["é"], ["1"], ["!"], ["\t x"], ["🚀"]])("takes bounded time for 100,000 times %j", (unit) => {
    const text = unit.repeat(100_000);
    const start = performance.now();
    const ids = tokenizer.encode(text);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(tokenizer.decode(ids)).toBe(text);
  });
});

describe("bytes", () => {
  const tokenizer = new Tokenizer(byteVocabulary());

  it("maps every byte to its token and back", () => {
    for (let byte = 0; byte < 256; byte++) expect([...tokenizer.tokenBytes(byte)]).toEqual([byte]);
    expect(tokenizer.encode("é\0 \u00ad")).toEqual([0xc3, 0xa9, 0, 0x20, 0xc2, 0xad]);
  });

  it("decodes ids to their bytes in a row, malformed ones to U+FFFD", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(tokenizer.decode(bytes)).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
      }),
      { seed: 3 },
    );
    expect(tokenizer.decode([0xf0, 0x9f, 0x9a, 0x80])).toBe("🚀");
    expect(tokenizer.decode([0xf0, 0x9f])).toBe("\ufffd");
    expect(tokenizer.decode([])).toBe("");
  });

  it("keeps a byte order mark and writes lone surrogates as U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("\ufeffa"))).toBe("\ufeffa");
    expect(tokenizer.decode(tokenizer.encode("a\ud800b\udc00"))).toBe("a\ufffdb\ufffd");
    expect(tokenizer.encode("\ud83d")).toEqual([0xef, 0xbf, 0xbd]);
  });

  it("writes nothing for an unused token", () => {
    expect(tokenizer.decode([0x61, 259, 0x62])).toBe("ab");
  });

  it("refuses ids outside the vocabulary", () => {
    for (const id of [-1, 260, 1.5, Number.NaN]) expect(() => tokenizer.tokenText(id)).toThrow(InvalidArgumentError);
    expect(() => tokenizer.decode([260])).toThrow("a token id must be an integer from 0 to 259, got 260");
  });
});

describe("merging and splitting", () => {
  it("leaves out merges that lead to no token", () => {
    const tokenizer = new Tokenizer(byteVocabulary({ merges: ["a b", "ab c"] }));
    expect(tokenizer.encode("abc")).toEqual([..."abc"].flatMap((letter) => tokenizer.encode(letter)));
  });

  it("merges in order of rank, the leftmost first", () => {
    const tokenizer = new Tokenizer(mergedVocabulary(["b c", "a b", "a a", "aa a"]));
    const texts = (text: string) => tokenizer.encode(text).map((id) => tokenizer.tokenText(id));
    expect(texts("abc")).toEqual(["a", "bc"]);
    expect(texts("aaaaa")).toEqual(["aa", "aaa"]);
    expect(texts("aaab")).toEqual(["aa", "ab"]);
  });

  it("lets combining marks join words in qwen35 and not in qwen2", () => {
    // "e" + U+0301: the bytes CC 81. The merge of "e" with CC can only happen where both are in one piece.
    const merges = ["e Ì"];
    const qwen2 = new Tokenizer(mergedVocabulary(merges));
    const qwen35 = new Tokenizer(mergedVocabulary(merges, { pre: "qwen35" }));
    expect(qwen2.encode("e\u0301", { compose: false })).toEqual([0x65, 0xcc, 0x81]);
    expect(qwen35.encode("e\u0301", { compose: false })).toEqual([260, 0x81]);
  });

  it("keeps Hindi vowel signs with their letters in qwen35 only", () => {
    // U+0915 (letter, E0 A4 95) + U+093F (mark, E0 A4 BF): a merge over the border, 95 E0.
    const border = "\u0137 \u00e0";
    const text = "\u0915\u093f";
    expect(new Tokenizer(mergedVocabulary([border])).encode(text)).toHaveLength(6);
    expect(new Tokenizer(mergedVocabulary([border], { pre: "qwen35" })).encode(text)).toHaveLength(5);
  });

  it("splits digits one by one, words with one leading space, contractions off", () => {
    const tokenizer = new Tokenizer(mergedVocabulary(["1 2", "Ġ a", "a '", "' s", "a Ġ", "Ġ Ġ", "Ċ Ġ"]));
    const texts = (text: string) => tokenizer.encode(text).map((id) => tokenizer.tokenText(id));
    expect(texts("12")).toEqual(["1", "2"]);
    expect(texts("a a")).toEqual(["a", "Ġa"]);
    expect(texts("a's")).toEqual(["a", "'s"]);
    expect(texts("   a")).toEqual(["ĠĠ", "Ġa"]);
    expect(texts("\n a")).toEqual(["Ċ", "Ġa"]);
  });

  it("adds bos and eos where the file says so, unless told not to", () => {
    const tokenizer = new Tokenizer(byteVocabulary({ add_bos_token: true, add_eos_token: true }));
    expect(tokenizer.encode("a")).toEqual([256, 0x61, 257]);
    expect(tokenizer.encode("a", { addSpecial: false })).toEqual([0x61]);
    expect(new Tokenizer(byteVocabulary()).encode("")).toEqual([]);
  });
});

describe("damaged vocabularies", () => {
  const build = (changes: Record<string, unknown>) => () => new Tokenizer(byteVocabulary(changes));
  const tokens = byteVocabulary().get("tokenizer.ggml.tokens") as string[];

  it.each([
    [{ model: "llama" }, 'tokenizer.ggml.model must be "gpt2", got "llama"'],
    [{ model: undefined }, 'tokenizer.ggml.model must be "gpt2", got nothing (the key is missing)'],
    [{ pre: "llama-bpe" }, 'tokenizer.ggml.pre must be "qwen2" or "qwen35", got "llama-bpe"'],
    [{ tokens: undefined }, "tokenizer.ggml.tokens must be an array of strings, got nothing (the key is missing)"],
    [{ tokens: [1] }, "tokenizer.ggml.tokens must be an array of strings, got 1 at index 0"],
    [{ token_type: [1, 1] }, "tokenizer.ggml.token_type must be one type for each of the 260 tokens, got 2 types"],
    [{ token_type: undefined }, "tokenizer.ggml.token_type must be an array of numbers, got nothing"],
    [{ tokens: tokens.with(7, "a") }, 'tokenizer.ggml.tokens must be each token once, got "a" as token 7 and again as token 97'],
    [{ merges: ["ab"] }, 'tokenizer.ggml.merges must be two tokens with one space between, got "ab" as merge 0'],
    [{ eos_token_id: 260 }, "tokenizer.ggml.eos_token_id must be an id from 0 to 259, got 260"],
    [{ add_bos_token: 1 }, "tokenizer.ggml.add_bos_token must be true or false, got 1"],
  ])("%j is refused by name", (changes, message) => {
    expect(build(changes)).toThrow(UnsupportedModelError);
    expect(build(changes)).toThrow(message);
  });

  it("takes typed arrays for types, empty padding tokens, and a file without bos", () => {
    const padded = [...tokens, "", ""];
    const types = Int32Array.from({ length: padded.length }, () => 1);
    const tokenizer = new Tokenizer(byteVocabulary({ tokens: padded, token_type: types, bos_token_id: undefined, add_bos_token: true }));
    expect(tokenizer.encode("a")).toEqual([0x61]);
    expect(tokenizer.bos).toBeUndefined();
  });

  it("names the byte that a vocabulary lacks once a text needs it", () => {
    const tokenizer = new Tokenizer(byteVocabulary({ tokens: tokens.with(0x61, "missing") }));
    expect(tokenizer.encode("b")).toEqual([0x62]);
    expect(() => tokenizer.encode("ba")).toThrow('tokenizer.ggml.tokens must hold a token for each byte, got none for 0x61 ("a")');
  });
});
