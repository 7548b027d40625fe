import { bytesOf, type Vocabulary } from "./vocabulary.ts";

/** Where a row of bytes stands in a UTF-8 character: bytes to come, and the bounds of the next one. 0 between characters, -1 ill-formed. */
type State = number;

const open = (toCome: number, low = 0x80, high = 0xbf): State => toCome | (low << 8) | (high << 16);

/** The Unicode Standard's table 3-7, well-formed UTF-8 byte sequences. */
function step(state: State, byte: number): State {
  if (state !== 0) {
    const [toCome, low, high] = [state & 0xff, (state >> 8) & 0xff, state >> 16];
    if (byte < low || byte > high) return -1;
    return toCome === 1 ? 0 : open(toCome - 1);
  }
  if (byte < 0x80) return 0;
  if (byte < 0xc2 || byte > 0xf4) return -1;
  if (byte < 0xe0) return open(1);
  if (byte < 0xf0) return open(2, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf);
  return open(3, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf);
}

function run(state: State, bytes: Uint8Array): State {
  let at = state;
  for (let i = 0; i < bytes.length && at >= 0; i++) at = step(at, bytes[i]!);
  return at;
}

/**
 * Which tokens keep an answer well-formed UTF-8. xgrammar 0.1.27 takes ill-formed bytes (overlong ones, surrogates) for a character, of which
 * a decoder makes several: a string could come out longer than its maxLength.
 */
export class Utf8Tokens {
  readonly #vocabulary: Vocabulary;
  /** Tokens that are ill-formed between characters, those aside that no grammar allows there: they begin within a character. */
  readonly #illFormed: number[] = [];
  /** Tokens that begin within a character. */
  readonly #continuing: number[] = [];

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    for (let token = 0; token < vocabulary.ends.length; token++) {
      const bytes = bytesOf(vocabulary, token);
      if (bytes.length > 0 && bytes[0]! >= 0x80 && bytes[0]! < 0xc0) this.#continuing.push(token);
      else if (run(0, bytes) < 0) this.#illFormed.push(token);
    }
  }

  /** The state behind a token. */
  after(state: State, token: number): State {
    return Math.max(0, run(state, bytesOf(this.#vocabulary, token)));
  }

  /** Takes tokens that cannot follow out of the allowed ones: 32 a word, the first in its lowest bit. */
  forbid(state: State, allowed: Int32Array): void {
    const forbid = (token: number) => {
      allowed[token >> 5]! &= ~(1 << (token & 31));
    };
    if (state === 0) this.#illFormed.forEach(forbid);
    else for (const token of this.#continuing) if (run(state, bytesOf(this.#vocabulary, token)) < 0) forbid(token);
  }
}
