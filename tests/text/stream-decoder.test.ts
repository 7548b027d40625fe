import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../ts/text/tokenizer.ts";
import { byteVocabulary } from "./helpers.ts";

const tokenizer = new Tokenizer(byteVocabulary());

function pieces(ids: Iterable<number>, special = false): string[] {
  const decoder = tokenizer.decoder({ special });
  const out: string[] = [];
  for (const id of ids) out.push(decoder.push(id));
  out.push(decoder.end());
  return out;
}

describe("StreamDecoder", () => {
  it("holds a character back until it is whole", () => {
    expect(pieces([0x61, 0xf0, 0x9f, 0x9a, 0x80, 0x62])).toEqual(["a", "", "", "", "🚀", "b", ""]);
  });

  it("gives U+FFFD at the end for a character that never became whole, and starts anew", () => {
    const decoder = tokenizer.decoder();
    expect(decoder.push(0xe2)).toBe("");
    expect(decoder.push(0x82)).toBe("");
    expect(decoder.end()).toBe("\ufffd");
    expect(decoder.push(0x61)).toBe("a");
    expect(decoder.end()).toBe("");
  });

  it("drops control tokens, even inside a character, unless asked for them", () => {
    expect(pieces([0xc3, 257, 0xa9, 258]).join("")).toBe("é<think>");
    expect(pieces([0x61, 257], true).join("")).toBe("a<|im_end|>");
  });

  it("keeps a byte order mark", () => {
    expect(pieces([0xef, 0xbb, 0xbf, 0x61]).join("")).toBe("\ufeffa");
  });

  it("says in all what decode says, whatever the ids", () => {
    // Bytes that start, continue or break characters, more often than chance would have them.
    const id = fc.oneof(fc.integer({ min: 0, max: 259 }), fc.constantFrom(0xf0, 0x9f, 0x9a, 0x80, 0xe2, 0x82, 0xc3, 0xed, 0xa0, 0xff, 257));
    fc.assert(
      fc.property(fc.array(id, { maxLength: 30 }), fc.boolean(), (ids, special) => {
        expect(pieces(ids, special).join("")).toBe(tokenizer.decode(ids, { special }));
      }),
      { numRuns: 1000, seed: 4 },
    );
  });

  it("never ends a piece inside a character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        const out = pieces(tokenizer.encode(text, { parseSpecial: false }));
        expect(out.join("")).toBe(text);
        for (const piece of out) {
          expect(piece).not.toMatch(/\p{Surrogate}/u);
          if (!text.includes("\ufffd")) expect(piece).not.toContain("\ufffd");
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});
